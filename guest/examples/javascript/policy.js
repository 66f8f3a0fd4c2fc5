// A poolwarden policy in JavaScript: the shipped one, and the rule in `rule.js` about who else
// should end.
//
// At each `ensure`, whom the rule dismisses is sent SIGTERM, once. They are listed as `stopping`
// from then on, and their entries go when they are found dead.

import { now } from "wasi:clocks/wall-clock@0.2.0";
import { get } from "wasi:config/store@0.2.0-rc.1";

import { ask } from "./ask.js";
import { isDead, reason, status as statusOf } from "./decide.js";
import { failing, isCase, rejected, warn, words } from "./failures.js";
import { listed, listedInFull, locked, removed, sort } from "./pool.js";
import { Rule, name, settings } from "./rule.js";
import { fields } from "./sessions.js";
import { stop } from "./stop.js";

const VERSION = "0.1.0";
const LAST_SECOND = 253402300799n; // 9999-12-31T23:59:59Z, the last that RFC 3339 can write

function describe() {
  return { name, version: VERSION, settings };
}

function ensure(dryRun) {
  const rule = new Rule(get);
  const { stay, dead, dismissed } = locked((pool) => {
    const [stay, dead] = sort(pool.survey());
    if (!dryRun) pool.drop(dead);
    const running = stay.filter(({ finding }) => statusOf(finding) === "running");
    const dismissed = rule.dismiss(running, Number(now().seconds)).map(([one, reason]) => {
      return { asked: ask(pool.transaction, one, "term", { dryRun }), reason };
    });
    return { stay, dead, dismissed };
  });
  const stopping = new Set();
  for (const {
    asked: { entry, error, target },
  } of dismissed) {
    if (error !== undefined) warn(`ensure: ${error}`);
    if (target !== undefined) stopping.add(entry);
  }
  const sessions = stay.map((one) => {
    return stopping.has(one.entry) ? { ...listed(one), status: "stopping" } : listed(one);
  });
  const told = dismissed.map(({ asked, reason }) => {
    return { ...asked.answer, signal: "SIGTERM", reason };
  });
  return JSON.stringify({
    sessions,
    pool_version: VERSION,
    removed: dead.map(removed),
    dismissed: told.length > 0 ? told : undefined,
    dry_run: dryRun || undefined,
  });
}

function status(sid) {
  const [stay, dead] = locked((pool) => {
    const [stay, dead] = sort(pool.survey());
    try {
      pool.drop(dead);
    } catch (error) {
      // It is a question first: whoever may not write is answered all the same.
      if (!isCase(error, "denied")) throw error;
      warn(`status: ${dead.length} dead entries stay in the registry: ${words(error)}`);
      return [stay, []];
    }
    return [stay, dead];
  });
  return JSON.stringify({
    sessions: stay.filter(({ entry }) => sid === undefined || entry.sid === sid).map(listedInFull),
    pool_version: VERSION,
    removed: dead.length > 0 ? dead.map(removed) : undefined,
  });
}

function register({ sid, pid, sock, version }) {
  if (sid === "") throw rejected("a session needs a sid that is not empty");
  const { entry, holders } = locked((pool) => {
    // Dated only now: the lock may have been long in coming.
    const entry = { sid, pid, sock, version, created_at: rfc3339() };
    const surveyed = pool.inspect((other) => other.sid === sid, entry);
    const [holders, process] = [surveyed.slice(0, -1), surveyed.at(-1)];
    const living = holders.find(({ finding }) => !isDead(finding));
    if (living !== undefined) throw rejected(taken(living));
    if (process.finding.standing !== "alive") throw rejected(unfit(process));
    pool.replace({ drop: holders, add: entry });
    return { entry, holders };
  });
  const replaced = holders.length > 0 ? removed(holders.at(-1)) : undefined;
  return JSON.stringify({ registered: fields(entry), pool_version: VERSION, replaced });
}

function forget(sid, evenIfAlive) {
  const forgotten = locked((pool) => {
    const surveyed = pool.survey(sid);
    if (surveyed.length === 0) {
      const why = "the pool has no such session; its sessions are listed by status";
      throw rejected(`sid=${sid}: ${why}`);
    }
    const living = surveyed.find(({ finding }) => !isDead(finding));
    if (living !== undefined && !evenIfAlive) throw rejected(mayBeAlive(living));
    pool.drop(surveyed);
    return surveyed;
  });
  return JSON.stringify({ forgotten: forgotten.map(removed), pool_version: VERSION });
}

/** The exported interface. Each request runs in an instance of its own. */
export const pool = {
  describe,
  ensure: failing(ensure),
  status: failing(status),
  stop: failing(stop),
  register: failing(register),
  forget: failing(forget),
};

/** The time now, as the registry writes it. */
function rfc3339() {
  const { seconds } = now();
  const at = Number(seconds < LAST_SECOND ? seconds : LAST_SECOND);
  return `${new Date(at * 1000).toISOString().slice(0, 19)}Z`;
}

/** What was found, in the middle of a sentence. */
const standing = ({ finding }) => `${finding.standing} (${reason(finding)})`;

/** Says who holds a sid and how it can become free. */
function taken(holder) {
  const {
    entry: { sid, pid },
    finding,
  } = holder;
  const remedy =
    finding.standing === "alive"
      ? "stop it first"
      : "forget it first (with --even-if-alive) once you know that its worker is no more";
  const names = `its entry names pid ${pid}, which is ${standing(holder)}`;
  return `sid=${sid} is taken: ${names}; ${remedy}, or use another sid`;
}

/** Says why a process cannot be registered. */
function unfit(process) {
  const { sid, pid } = process.entry;
  const remedy = "name the pid of a process that runs on this machine";
  return `sid=${sid}: pid ${pid} is not registered, because it is ${standing(process)}; ${remedy}`;
}

/** Says what may be lost and how to insist. */
function mayBeAlive(one) {
  const {
    entry: { sid, pid },
    finding,
  } = one;
  const instead = finding.standing === "alive" ? "stop it instead, or forget it" : "forget it";
  const names = `its entry names pid ${pid}, which is ${standing(one)}`;
  return `sid=${sid}: ${names}; ${instead} with --even-if-alive and leave its process to itself`;
}
