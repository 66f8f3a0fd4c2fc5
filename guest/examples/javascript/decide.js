// From what the host proved to what is done about it. Pure functions: nothing is called.

const DEAD = ["reused", "exited", "gone"];
// The signals by which a process is asked to end.
const ENDING = ["hup", "int", "quit", "term", "kill"];
const LARGEST_PID = 2 ** 31 - 1; // pid_t

const MEANINGS = {
  alive: "it is running",
  unproven: "a process runs under its pid, but nothing says who it is",
  reused: "its pid belongs to another process now",
  exited: "it has exited, and its parent has not reaped it yet",
  gone: "there is no such process",
  foreign: "it is on another machine or in another pid namespace",
  unknown: "its process could not be examined",
};

/** Whether the process is proven to be no more, so that its entry can go. */
export const isDead = ({ standing }) => DEAD.includes(standing);

/** The evidence, or in its absence what the standing means. */
export const reason = ({ evidence, standing }) => evidence ?? MEANINGS[standing];

/** How a session that is kept is listed. */
export function status({ standing, lastSignal }) {
  if (standing !== "alive") return standing;
  return ENDING.includes(lastSignal?.signal) ? "stopping" : "running";
}

/** Why no process can have this pid, where that is so; in algocline's words. */
export function impossible({ sid, pid }) {
  const named = `sid=${sid}: pid=${pid}`;
  if (pid === 0) return `${named} is not a valid POSIX target pid (must be > 0); skipping SIGTERM`;
  if (pid > LARGEST_PID) return `${named} exceeds i32::MAX, cannot send SIGTERM (K-52)`;
  return undefined;
}

/** A signal's name as signal(7) has it. */
export const signalName = (signal) => `SIG${signal.toUpperCase()}`;
