"""From what the host proved to what is done about it. Pure functions: nothing is called."""

from wit_world.imports.types import Finding, Signal, Standing

DEAD = (Standing.REUSED, Standing.EXITED, Standing.GONE)
# The signals by which a process is asked to end.
ENDING = (Signal.HUP, Signal.INT, Signal.QUIT, Signal.TERM, Signal.KILL)
LARGEST_PID = 2**31 - 1  # pid_t

MEANINGS = {
    Standing.ALIVE: "it is running",
    Standing.UNPROVEN: "a process runs under its pid, but nothing says who it is",
    Standing.REUSED: "its pid belongs to another process now",
    Standing.EXITED: "it has exited, and its parent has not reaped it yet",
    Standing.GONE: "there is no such process",
    Standing.FOREIGN: "it is on another machine or in another pid namespace",
    Standing.UNKNOWN: "its process could not be examined",
}


def is_dead(finding: Finding) -> bool:
    """Whether the process is proven to be no more, so that its entry can go."""
    return finding.standing in DEAD


def name(value: Standing) -> str:
    """A standing as the WIT has it."""
    return value.name.lower()


def reason(finding: Finding) -> str:
    """The evidence, or in its absence what the standing means."""
    return finding.evidence or MEANINGS[finding.standing]


def status(finding: Finding) -> str:
    """How a session that is kept is listed."""
    if finding.standing != Standing.ALIVE:
        return name(finding.standing)
    sent = finding.last_signal
    return "stopping" if sent and sent.signal in ENDING else "running"


def impossible(sid: str, pid: int) -> str | None:
    """Why no process can have this pid, where that is so; in algocline's words."""
    if pid == 0:
        why = "is not a valid POSIX target pid (must be > 0); skipping SIGTERM"
    elif pid > LARGEST_PID:
        why = "exceeds i32::MAX, cannot send SIGTERM (K-52)"
    else:
        return None
    return f"sid={sid}: pid={pid} {why}"
