// What this host refuses, whatever a policy asks.
//
// Everything is measured against the host's own reading of the registry, never against what
// the policy says about it.

import { denied, refused } from "./errors.js";
import { LARGEST_PID, forbidden } from "./processes.js";

// Milliseconds by which the time of a new entry may differ from now.
const SLACK = 5000;

/** Tells claims apart: all that an entry says about its process. */
export const key = ({ sid, pid, createdAt, sock }) => JSON.stringify([sid, pid, createdAt, sock]);

/**
 * The claims of a registry, given as bytes. No file is an empty one.
 *
 * Refuses what is no registry: nobody may be signalled or dropped on a guess.
 */
export function readClaims(registry) {
  if (registry === undefined) return [];
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(registry);
    const { sessions } = JSON.parse(text);
    if (!Array.isArray(sessions)) throw new TypeError("it has no list of sessions");
    return sessions.map(readClaim);
  } catch (error) {
    throw refused(`this is no registry: ${error.message}`);
  }
}

function readClaim({ sid, pid, sock, version, created_at: createdAt }) {
  if (![sid, sock, version, createdAt].every((text) => typeof text === "string")) {
    throw new TypeError("a field that has to be text is not");
  }
  if (!Number.isInteger(pid) || pid < 0 || pid >= 2 ** 32) {
    throw new TypeError("a pid is no unsigned 32-bit number");
  }
  return { sid, pid, createdAt, sock };
}

/**
 * Refuses a replacement that would lose, forge or change an entry. Returns the claim that is
 * added, if any.
 *
 * `isDead` says of a claim that its process was found dead in this transaction. That it was
 * signalled is no reason to go.
 */
export function checkReplace(before, after, request, isDead) {
  const left = new Map();
  for (const claim of after) left.set(key(claim), [...(left.get(key(claim)) ?? []), claim]);
  for (const claim of before) {
    if (left.get(key(claim))?.pop() || isDead(claim) || requestDrops(request, claim)) continue;
    const entry = `the entry of ${claim.sid} (pid ${claim.pid})`;
    throw refused(`${entry} would be lost or changed, and its process is not proven dead`);
  }
  const added = [...left.values()].flat();
  if (added.length > 1 || !added.every((claim) => requestAdds(request, claim))) {
    throw refused(`an entry of ${added[0].sid} would come that nobody registered`);
  }
  return added[0];
}

/** Whether the request itself says that this entry goes. */
function requestDrops({ verb, sid, evenIfAlive }, claim) {
  if (verb === "forget") return evenIfAlive && claim.sid === sid;
  const impossible = claim.pid === 0 || claim.pid > LARGEST_PID;
  return verb === "stop" && impossible && (sid === undefined || claim.sid === sid);
}

/** Whether the request registers this very entry, dated now. */
function requestAdds({ verb, sid, pid, sock }, claim) {
  const named = claim.sid === sid && claim.pid === pid && claim.sock === sock;
  const isNow = Math.abs(Date.parse(claim.createdAt) - Date.now()) <= SLACK;
  return verb === "register" && named && isNow;
}

/** The one entry that a policy may mean by a sid and a pid. */
export function findTarget(claims, sid, pid) {
  const named = claims.filter((claim) => claim.sid === sid);
  if (named.length !== 1 || named[0].pid !== pid) {
    throw refused(`not exactly one entry says that pid ${pid} is ${sid}`);
  }
  const reason = forbidden(pid);
  if (reason !== undefined) throw refused(reason);
  return named[0];
}

/**
 * Refuses a replacement that changes what is not known: each entry that stays, and all that
 * stands beside `sessions`, keeps every byte. Both are registries.
 */
export function checkKept(before, after, added) {
  if (before === undefined) return;
  const [old, now] = [before, after].map((bytes) => parts(new TextDecoder().decode(bytes)));
  if (old.around !== now.around) {
    throw refused("what stands outside of `sessions` has to stay byte for byte");
  }
  // A text that was not there is that of the entry that comes, or of one that changed.
  const known = [...old.entries];
  const others = now.entries.filter((text) => {
    const at = known.indexOf(text);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
  if (others.length > (added === undefined ? 0 : 1)) {
    throw refused("an entry that stays has to stay byte for byte");
  }
}

/** What stands around the entries of a registry, and the text of each entry. */
function parts(text) {
  let [depth, key, begin, start, end] = [0, undefined, 0, 0, 0];
  const entries = [];
  // Brackets, and strings with the colon after them: the rest is no news.
  for (const { 0: token, index } of text.matchAll(/[\][{}]|"(?:[^"\\]|\\.)*"(?:\s*:)?/g)) {
    const isInside = key === "sessions";
    if ("{[".includes(token)) {
      depth += 1;
      if (isInside && depth === 2) start = index + 1;
      if (isInside && depth === 3) begin = index;
    } else if ("}]".includes(token)) {
      if (isInside && depth === 3) entries.push(text.slice(begin, index + 1));
      if (isInside && depth === 2) end = index;
      depth -= 1;
    } else if (depth === 1) {
      key = JSON.parse(token.replace(/\s*:$/, ""));
    }
  }
  return { around: text.slice(0, start) + text.slice(end), entries };
}

/** Refuses to open a worker that the request signals by no means. */
export function checkTarget({ verb, sid }, grants, claim) {
  if (verb === "ensure") {
    if (!grants.has("dismiss")) throw denied("dismiss");
  } else if (verb !== "stop") {
    throw refused(`\`${verb}\` signals nobody, whatever is granted`);
  } else if (sid !== undefined && sid !== claim.sid) {
    throw refused(`the client asked to stop ${sid}, not ${claim.sid}`);
  }
}

/**
 * Refuses a signal that the request does not comprise, or that is not granted. `sent` is what
 * the worker got in this request. CONT comes with TERM, so that a stopped process can act on it.
 */
export function checkSignal(request, grants, claim, signal, sent) {
  checkTarget(request, grants, claim);
  if (request.dryRun) throw refused("the client asked for a dry run");
  const isAsked =
    signal === "term" ||
    (signal === "cont" && sent.has("term")) ||
    (signal === "kill" && request.force);
  if (request.verb === "stop" && !isAsked) {
    throw refused(`the client did not ask for ${signal.toUpperCase()}`);
  }
  if (!grants.has(signal) && !(signal === "cont" && grants.has("term"))) {
    throw denied(`signal ${signal.toUpperCase()}`);
  }
}

/** Refuses a replacement without the grant for it. */
export function checkWrite(grants) {
  if (!grants.has("registry-write")) throw denied("registry-write");
}
