// `stop`: asks workers to end, waits for them, and drops the entries of those that did.
//
// Two short transactions with the wait between them: a worker may need the pool's lock in order
// to exit. What fails after the first signal becomes a line of the answer, because by then
// somebody was signalled and the caller has to learn it.

import { wait } from "poolwarden:pool/signals@0.1.0";

import { ask, send } from "./ask.js";
import { reason, signalName } from "./decide.js";
import { isCase, rejected, warn, words } from "./failures.js";
import { locked, sort } from "./pool.js";
import { Corrupted, sameClaim } from "./sessions.js";

// How long a killed worker is waited for, in milliseconds. The host allows this much beyond
// the grace period.
const KILL_CONFIRMATION = 2000n;

/** Sends the signal to one session or all, waits, and with `force` kills who is left. */
export function stop(options) {
  const { sid, signal, group, dryRun } = options;
  if (signal === "cont" || signal === "stop") {
    throw rejected(`${signalName(signal)} asks nobody to end; stop with another signal`);
  }
  const [workers, undone] = locked((pool) => {
    const surveyed = pool.survey(sid);
    const asked = surveyed.map((one) => ask(pool.transaction, one, signal, { group, dryRun }));
    if (asked.length > 0 && asked.every(({ denied }) => denied)) {
      throw { tag: "denied", val: asked.at(-1).evidence };
    }
    return [asked, dryRun ? undefined : dropTheDead(pool, surveyed, asked)];
  });
  watch(workers, options);
  const errors = workers.map(({ error }) => error).filter((error) => error !== undefined);
  // What was refused once in this request is not asked for again.
  errors.push(...(undone === undefined ? retire(workers) : [undone]));
  return JSON.stringify({
    stopped: workers.filter((one) => one.countsAsStopped).map(({ entry }) => entry.sid),
    errors,
    outcomes: workers.map(({ answer }) => answer),
    dry_run: dryRun || undefined,
  });
}

/**
 * Drops the entries that need no signal. Says what failed where somebody was signalled already;
 * else that is a failure of the request.
 */
function dropTheDead(pool, surveyed, asked) {
  const needless = ["already-dead", "invalid-pid"];
  try {
    pool.drop(surveyed.filter((_, index) => needless.includes(asked[index].outcome)));
  } catch (error) {
    if (asked.every(({ target }) => target === undefined)) throw error;
    return notUpdated(error);
  }
  return undefined;
}

/** The grace period, and the kill after it. */
function watch(workers, { signal, group, grace, force }) {
  if (grace > 0n) awaitExit(workers, grace, signal === "kill" ? "killed" : "exited");
  let stays = `did not exit within ${grace} ms after ${signalName(signal)}; stop it again with a longer grace period or with force`;
  if (force) {
    for (const worker of workers) kill(worker, group);
    awaitExit(workers, KILL_CONFIRMATION, "killed");
    stays = `is still there ${KILL_CONFIRMATION} ms after SIGKILL`;
  }
  if (!force && grace === 0n) return;
  for (const worker of workers.filter(({ isAwaited }) => isAwaited)) {
    worker.fail("still-running", `${stays}; its entry is kept until it is found dead`);
  }
}

/** Waits once for all that were signalled, at most `timeout` milliseconds. */
function awaitExit(workers, timeout, ended) {
  const awaited = workers.filter(({ isAwaited }) => isAwaited);
  if (awaited.length === 0) return;
  try {
    const exits = wait(
      awaited.map(({ target }) => target),
      timeout,
    );
    for (const [index, worker] of awaited.entries()) {
      if (exits[index]) worker.outcome = ended;
    }
  } catch (error) {
    if (isCase(error, "cancelled") || isCase(error, undefined)) throw error;
    const why = "signalled, but waiting for it failed, so its entry is kept until it is found";
    for (const worker of awaited) worker.fail("signalled", `${why} dead: ${words(error)}`);
  }
}

/** Kills a worker that has not ended, or what is left of its group. */
function kill(worker, group) {
  const leftBehind = group && worker.outcome === "exited";
  if (!leftBehind && !worker.isAwaited) return;
  try {
    send(worker.target, "kill", group);
  } catch (error) {
    if (isCase(error, "cancelled") || isCase(error, undefined)) throw error;
    if (isCase(error, "ended")) {
      worker.outcome = "exited";
    } else if (leftBehind) {
      const { sid } = worker.entry;
      warn(`sid=${sid}: SIGKILL to what is left of its group failed: ${words(error)}`);
    } else {
      const why = `did not exit, and SIGKILL failed: ${words(error)}`;
      worker.fail("still-running", `${why}; its entry is kept until it is found dead`);
    }
  }
}

/**
 * Drops the entries of those that ended, in a transaction of its own; says what is kept.
 *
 * The registry may have changed. Only an entry that still makes the very same claim goes, and
 * only when its process is found to be no more.
 */
function retire(workers) {
  const ended = workers.filter(({ outcome }) => outcome === "exited" || outcome === "killed");
  if (ended.length === 0) return [];
  try {
    return locked((pool) => {
      const isSame = (entry) => ended.some((worker) => sameClaim(worker.entry, entry));
      const [kept, dead] = sort(pool.inspect(isSame));
      pool.drop(dead);
      const still = "it ended, but its entry is kept";
      return kept.map(({ entry, finding }) => `sid=${entry.sid}: ${still}: ${reason(finding)}`);
    });
  } catch (error) {
    if (!(error instanceof Corrupted) && isCase(error, undefined)) throw error;
    return [notUpdated(error)];
  }
}

/** Says that the registry does not show yet what was done. */
const notUpdated = (error) =>
  `the registry was not updated: ${words(error)}; the entries of workers that are no more are dropped by the next ensure`;
