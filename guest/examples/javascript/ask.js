// Asking one worker to end, as a stop does and this policy's own rule.

import { open } from "poolwarden:pool/signals@0.1.0";

import { impossible, isDead, reason, signalName } from "./decide.js";
import { hostError, isCase, warn, words } from "./failures.js";

const STOPPED = ["already-dead", "signalled", "exited", "killed"];

/** What became of one worker that is to end. */
class Asked {
  /**
   * `outcome` is one of the words that answers have for it; `evidence` says why, where the word
   * does not; `target` is its process, once it was signalled.
   */
  constructor(entry, outcome, { evidence, target } = {}) {
    Object.assign(this, { entry, outcome, evidence, target });
    // A line for the answer's errors.
    this.error = undefined;
    // Whether all that was missing is a grant.
    this.denied = false;
  }

  /** It is not stopped, and its entry is kept. */
  fail(outcome, why) {
    this.outcome = outcome;
    this.error = `sid=${this.entry.sid}: ${why}`;
    return this;
  }

  /** Whether it was signalled and is not known to have ended. */
  get isAwaited() {
    return this.target !== undefined && this.outcome === "signalled" && this.error === undefined;
  }

  /** Whether an answer names it as stopped. One that nobody waits for is. */
  get countsAsStopped() {
    return STOPPED.includes(this.outcome) && this.error === undefined;
  }

  /** As answers report it. */
  get answer() {
    const {
      entry: { sid, pid },
      outcome,
      evidence,
    } = this;
    return { sid, pid, outcome, evidence };
  }
}

/** Signals a worker, where it is proven to run and that may be done. */
export function ask(transaction, { entry, finding }, signal, { group = false, dryRun = false }) {
  const why = impossible(entry);
  if (why !== undefined) return Object.assign(new Asked(entry, "invalid-pid"), { error: why });
  if (isDead(finding)) return new Asked(entry, "already-dead", { evidence: reason(finding) });
  if (finding.standing !== "alive") return refused(entry, reason(finding));
  let target;
  try {
    // Opening has no effect, and tells a dry run what the host would refuse.
    target = open(transaction, entry.sid, entry.pid);
    if (dryRun) return new Asked(entry, "would-signal");
    send(target, signal, group);
  } catch (error) {
    return notSignalled(entry, signal, error);
  }
  if (signal !== "kill") resume(target, entry.sid, group);
  return new Asked(entry, "signalled", { target });
}

/** Signals a process, or the whole group that it leads. */
export function send(target, signal, group) {
  if (group) target.sendGroup(signal);
  else target.send(signal);
}

/** A stopped process acts on a signal only once it is continued. */
function resume(target, sid, group) {
  try {
    send(target, "cont", group);
  } catch (error) {
    if (!isCase(error, "ended")) warn(`sid=${sid}: SIGCONT failed: ${words(error)}`);
  }
}

function notSignalled(entry, signal, error) {
  const { tag, val } = hostError(error);
  switch (tag) {
    case "ended":
      return new Asked(entry, "already-dead", { evidence: val });
    case "refused":
      return refused(entry, val);
    case "denied":
      return Object.assign(refused(entry, val), { denied: true });
    case undefined:
    case "cancelled":
      throw error;
    default: {
      const asked = new Asked(entry, "failed", { evidence: val });
      return asked.fail("failed", `${signalName(signal)} failed: ${val}`);
    }
  }
}

function refused(entry, why) {
  const asked = new Asked(entry, "refused", { evidence: why });
  return asked.fail("refused", `not signalled, its entry is kept: ${why}`);
}
