"""Who a registered process is, and signals to it through a pidfd.

The proof is the simplest of poolwarden's three: a process that started after the entry
was made is another one. It assumes one pid namespace and a clock that was not stepped.
"""

import dataclasses
import datetime
import errno
import os
import select
import signal
import time

from errors import HostError, refused, system

TICKS = os.sysconf("SC_CLK_TCK")
LARGEST_PID = 2**31 - 1  # pid_t
# Seconds. The kernel's boot time and the registry's times are cut to whole seconds.
SLACK = 3.0


@dataclasses.dataclass(frozen=True)
class Claim:
    """What an entry says about its process."""

    sid: str
    pid: int
    created_at: str
    sock: str


@dataclasses.dataclass
class Finding:
    """What is proven about a claim. `started` is in seconds since 1970."""

    standing: str
    evidence: str
    started: float | None = None

    def is_dead(self) -> bool:
        """Whether the entry may go."""
        return self.standing in ("reused", "exited", "gone")


def examine(claim: Claim) -> Finding:
    """What can be proven about the process of an entry."""
    finding = _look(claim.pid)
    if finding.standing == "alive":
        finding.standing, finding.evidence = _compare(finding.started, claim.created_at)
    if finding.is_dead() and claim.sock in _served_sockets():
        return Finding("foreign", f"somebody still serves {claim.sock}, and not pid {claim.pid}")
    return finding


def examine_named(pid: int) -> Finding:
    """What is known of a process that the operator names: whether it runs."""
    return _look(pid)


def _look(pid: int) -> Finding:
    """Whether a process runs under this pid, and since when."""
    if not 0 < pid <= LARGEST_PID:
        return Finding("gone", f"no process can have pid {pid}")
    if pid == 1:
        return Finding("unproven", "pid 1 is nobody's worker")
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        # ENOENT and EINVAL: a thread of some process and not a process (pidfd_open(2)).
        if error.errno in (errno.ESRCH, errno.ENOENT, errno.EINVAL):
            return Finding("gone", f"there is no process {pid}")
        return Finding("unknown", str(error))
    try:
        started = _started(pid)
        # What was read is about this process only if it still lives after the reading.
        if has_ended(fd):
            return Finding("exited", f"pid {pid} has exited, and nobody reaped it yet")
        return Finding("alive", "it runs", started)
    except (FileNotFoundError, ProcessLookupError):
        return Finding("gone", f"process {pid} ended just now")
    except OSError as error:
        return Finding("unknown", str(error))
    finally:
        os.close(fd)


def _compare(started: float, created_at: str) -> tuple[str, str]:
    """The standing of a process that runs, by when it started, with the evidence."""
    try:
        created = datetime.datetime.fromisoformat(created_at)
    except ValueError:
        created = None
    if created is None or created.tzinfo is None:
        return "unproven", f"the entry's time, {created_at!r}, cannot be read"
    created = created.timestamp()
    if created > time.time() + SLACK:
        return "unproven", f"the entry's time, {created_at}, is in the future"
    if started > created + SLACK:
        return "reused", f"it started after the entry was made, at {created_at}"
    return "alive", f"it had started when the entry was made, at {created_at}"


class Target:
    """A process that was proven to be a claim's, held by a pidfd: it stays that process
    also when its pid is given away."""

    def __init__(self, claim: Claim):
        self.claim = claim
        try:
            self.fd = os.pidfd_open(claim.pid)
        except ProcessLookupError:
            raise HostError("ended", f"pid {claim.pid} ended just now") from None
        except OSError as error:
            raise system(error) from error
        # First the descriptor, then the proof, then whether it still lives: so the proof
        # is about the process that the descriptor holds.
        finding = examine(claim)
        if finding.standing != "alive" or has_ended(self.fd):
            self.close()
            raise refused(f"pid {claim.pid} is not proven to be this worker: {finding.evidence}")

    def send(self, name: str) -> None:
        """Sends a signal, named as in the WIT, to that process and to no other."""
        try:
            signal.pidfd_send_signal(self.fd, signal.Signals[f"SIG{name.upper()}"])
        except ProcessLookupError:
            raise HostError("ended", f"pid {self.claim.pid} has ended") from None
        except OSError as error:
            raise system(error) from error

    def close(self) -> None:
        """Lets go of the process. It runs on."""
        os.close(self.fd)


def has_ended(fd: int) -> bool:
    """Whether the process of a pidfd has ended: the descriptor is readable then."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def wait(targets: list[Target], seconds: float) -> list[bool]:
    """Waits until all have ended or the time is over; says for each whether it has."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    left = {target.fd for target in targets}
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left and (remaining := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(remaining * 1000):
            poll.unregister(fd)
            left.discard(fd)
    return [target.fd not in left for target in targets]


def forbidden(pid: int) -> str | None:
    """Why nobody may signal this process, where that is so."""
    if pid == 1:
        return "pid 1 is never signalled"
    ancestor = os.getpid()
    while ancestor > 1:
        if ancestor == pid:
            return f"pid {pid} is this program or one of its ancestors"
        ancestor = int(_stat(ancestor)[1])
    if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
        return f"pid {pid} belongs to another user"
    return None


def _started(pid: int) -> float:
    """When a process started, in seconds since 1970, to the kernel's precision."""
    with open("/proc/stat", encoding="ascii") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime "))
    return boot + int(_stat(pid)[19]) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second may hold anything."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _served_sockets() -> set[str]:
    """Paths of the Unix sockets that are open in this network namespace (proc(5))."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        columns = (line.rstrip("\n").split(maxsplit=7) for line in file)
        return {column[7] for column in columns if len(column) == 8}
