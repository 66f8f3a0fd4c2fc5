// Who a registered process is, and signals to it through `process.kill`.
//
// The proof is the simplest of poolwarden's three: a process that started after the entry was
// made is another one. It assumes one pid namespace and a clock that was not stepped.
//
// Node.js has no pidfds. Between the last look at a process and `process.kill` it can end and
// its pid be given away: this host makes that moment short, and cannot remove it.

import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { HostError, refused, system } from "./errors.js";

export const LARGEST_PID = 2 ** 31 - 1; // pid_t
const TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
// Milliseconds. The kernel's boot time and the registry's times are cut to whole seconds.
const SLACK = 3000;
const LOOK_AGAIN = 5; // milliseconds

/** Whether an entry with this finding may go. */
export const isDead = ({ standing }) => ["reused", "exited", "gone"].includes(standing);

/** What can be proven about the process of an entry. Times are milliseconds since 1970. */
export function examine({ pid, createdAt, sock }) {
  let finding = look(pid);
  if (finding.standing === "alive") {
    finding = { ...finding, ...compare(finding.started, createdAt) };
  }
  if (isDead(finding) && servedSockets().has(sock)) {
    const evidence = `somebody still serves ${sock}, and not pid ${pid}`;
    return { standing: "foreign", evidence };
  }
  return finding;
}

/** Whether a process runs under this pid, and since when. */
export function look(pid) {
  if (pid < 1 || pid > LARGEST_PID) {
    return { standing: "gone", evidence: `no process can have pid ${pid}` };
  }
  if (pid === 1) return { standing: "unproven", evidence: "pid 1 is nobody's worker" };
  try {
    const about = stat(pid);
    if (about === undefined || about.isThread) {
      return { standing: "gone", evidence: `there is no process ${pid}` };
    }
    if (about.hasExited) {
      return { standing: "exited", evidence: `pid ${pid} has exited, and nobody reaped it yet` };
    }
    return { standing: "alive", evidence: "it runs", ...about };
  } catch (error) {
    return { standing: "unknown", evidence: error.message };
  }
}

/** The standing of a process that runs, by when it started, with the evidence. */
function compare(started, createdAt) {
  // `Date.parse` takes much; the registry's times have this form.
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(createdAt);
  const created = isTime ? Date.parse(createdAt) : NaN;
  if (Number.isNaN(created)) {
    return { standing: "unproven", evidence: `the entry's time, ${createdAt}, cannot be read` };
  }
  if (created > Date.now() + SLACK) {
    return { standing: "unproven", evidence: `the entry's time, ${createdAt}, is in the future` };
  }
  if (started > created + SLACK) {
    return { standing: "reused", evidence: `it started after the entry was made, at ${createdAt}` };
  }
  return { standing: "alive", evidence: `it had started when the entry was made, at ${createdAt}` };
}

/** A process that was proven to be a claim's: its pid with the tick in which it started. */
export class Target {
  constructor(claim) {
    const finding = examine(claim);
    if (finding.standing !== "alive") {
      throw refused(`pid ${claim.pid} is not proven to be this worker: ${finding.evidence}`);
    }
    this.claim = claim;
    this.ticks = finding.ticks;
  }

  /** Whether the process has ended, also when its pid was given away. */
  hasEnded() {
    const about = stat(this.claim.pid);
    return about === undefined || about.hasExited || about.ticks !== this.ticks;
  }

  /** Sends a signal, named as in the WIT. */
  kill(name) {
    const { pid } = this.claim;
    if (this.hasEnded()) throw new HostError("ended", `pid ${pid} has ended`);
    try {
      process.kill(pid, `SIG${name.toUpperCase()}`);
    } catch (error) {
      throw error.code === "ESRCH" ? new HostError("ended", `pid ${pid} has ended`) : system(error);
    }
  }
}

/**
 * Waits until all have ended or the time (milliseconds) is over; says for each whether it has.
 *
 * Without pidfds nothing tells when a process ends that is not a child: one has to look again.
 */
export function awaitEnd(targets, milliseconds) {
  const deadline = performance.now() + milliseconds;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const ended = targets.map((target) => target.hasEnded());
    const left = deadline - performance.now();
    if (ended.every(Boolean) || left <= 0) return ended;
    Atomics.wait(nobody, 0, 0, Math.min(left, LOOK_AGAIN));
  }
}

/** Why nobody may signal this process, where that is so. */
export function forbidden(pid) {
  if (pid === 1) return "pid 1 is never signalled";
  for (let ancestor = process.pid; ancestor > 1; ancestor = stat(ancestor)?.parent ?? 0) {
    if (ancestor === pid) return `pid ${pid} is this program or one of its ancestors`;
  }
  const owner = fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
  return owner === process.geteuid() ? undefined : `pid ${pid} belongs to another user`;
}

/** What /proc/PID says, or undefined when there is no such process. See proc(5). */
function stat(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name that may hold anything, also a parenthesis.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[19]);
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      // A process whose first thread has exited is shown as a zombie while others run.
      hasExited: ["Z", "X"].includes(fields[0]) && Number(fields[17]) <= 1,
      parent: Number(fields[1]),
      ticks,
      started: bootTime() + (ticks * 1000) / TICKS,
      isThread: Number(/^Tgid:\s*(\d+)$/m.exec(status)[1]) !== pid,
    };
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return undefined;
    throw error;
  }
}

/** When the machine started, in milliseconds since 1970. */
function bootTime() {
  return Number(/^btime (\d+)$/m.exec(fs.readFileSync("/proc/stat", "utf8"))[1]) * 1000;
}

/** Paths of the Unix sockets that are open in this network namespace. See proc(5). */
function servedSockets() {
  const lines = fs.readFileSync("/proc/net/unix", "utf8").split("\n");
  return new Set(lines.map((line) => /^(?:\S+ +){7}(.+)$/.exec(line)?.[1]));
}
