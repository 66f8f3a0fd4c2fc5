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
 * `mayDrop` says of a claim that its process was found dead in this transaction, or was
 * signalled in this request.
 */
export function checkReplace(before, after, request, mayDrop) {
  const left = new Map();
  for (const claim of after) left.set(key(claim), [...(left.get(key(claim)) ?? []), claim]);
  for (const claim of before) {
    if (left.get(key(claim))?.pop() || mayDrop(claim) || requestDrops(request, claim)) continue;
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
 * Refuses a signal without its grant. CONT comes with TERM, so that a stopped process can act
 * on it.
 */
export function checkSignal(grants, signal) {
  if (!grants.has(signal) && !(signal === "cont" && grants.has("term"))) {
    throw denied(`signal ${signal.toUpperCase()}`);
  }
}

/** Refuses a replacement without the grant for it. */
export function checkWrite(grants) {
  if (!grants.has("registry-write")) throw denied("registry-write");
}
