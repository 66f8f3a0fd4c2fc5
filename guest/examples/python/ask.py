"""Asking one worker to end, as a stop does and this policy's own rule."""

from dataclasses import dataclass

from componentize_py_types import Err
from wit_world.imports import signals
from wit_world.imports.registry import Transaction
from wit_world.imports.types import (
    Error_Cancelled,
    Error_Denied,
    Error_Ended,
    Error_Refused,
    Signal,
    Standing,
)

from decide import impossible, is_dead, reason
from failures import warn, words
from pool import Surveyed


@dataclass
class Asked:
    """What became of one worker that is to end."""

    worker: Surveyed
    # One of the words that answers have for it.
    outcome: str
    # Why, where the word does not say it.
    evidence: str | None = None
    # A line for the answer's errors.
    error: str | None = None
    # Its process, once it was signalled.
    target: signals.Target | None = None
    # Whether all that was missing is a grant.
    denied: bool = False

    def fail(self, outcome: str, why: str) -> None:
        """It is not stopped, and its entry is kept."""
        self.outcome = outcome
        self.error = f"sid={self.worker.entry.sid}: {why}"

    def is_awaited(self) -> bool:
        """Whether it was signalled and is not known to have ended."""
        return self.target is not None and self.outcome == "signalled" and self.error is None

    def counts_as_stopped(self) -> bool:
        """Whether an answer names it as stopped. One that nobody waits for is."""
        stopped = ("already-dead", "signalled", "exited", "killed")
        return self.outcome in stopped and self.error is None

    def answer(self) -> dict:
        """As answers report it."""
        entry = self.worker.entry
        told = {"sid": entry.sid, "pid": entry.pid, "outcome": self.outcome}
        return told if self.evidence is None else {**told, "evidence": self.evidence}


def ask(
    transaction: Transaction, one: Surveyed, signal: Signal, *, group=False, dry_run=False
) -> Asked:
    """Signals a worker, where it is proven to run and that may be done."""
    entry, finding = one.entry, one.finding
    if why := impossible(entry.sid, entry.pid):
        return Asked(one, "invalid-pid", error=why)
    if is_dead(finding):
        return Asked(one, "already-dead", reason(finding))
    if finding.standing != Standing.ALIVE:
        return _refused(one, reason(finding))
    try:
        # Opening has no effect, and tells a dry run what the host would refuse.
        target = signals.open(transaction, entry.sid, entry.pid)
        if dry_run:
            return Asked(one, "would-signal")
        send(target, signal, group)
    except Err as error:
        match error.value:
            case Error_Ended(why):
                return Asked(one, "already-dead", why)
            case Error_Refused(why):
                return _refused(one, why)
            case Error_Denied(why):
                return _refused(one, why, denied=True)
            case Error_Cancelled():
                raise
        failed = Asked(one, "failed", words(error))
        failed.fail("failed", f"SIG{signal.name} failed: {words(error)}")
        return failed
    if signal != Signal.KILL:
        _resume(target, entry.sid, group)
    return Asked(one, "signalled", target=target)


def send(target: signals.Target, signal: Signal, group: bool) -> None:
    """Signals a process, or the whole group that it leads."""
    if group:
        target.send_group(signal)
    else:
        target.send(signal)


def _resume(target: signals.Target, sid: str, group: bool) -> None:
    """A stopped process acts on a signal only once it is continued."""
    try:
        send(target, Signal.CONT, group)
    except Err as error:
        if not isinstance(error.value, Error_Ended):
            warn(f"sid={sid}: SIGCONT failed: {words(error)}")


def _refused(one: Surveyed, why: str, denied: bool = False) -> Asked:
    asked = Asked(one, "refused", why, denied=denied)
    asked.fail("refused", f"not signalled, its entry is kept: {why}")
    return asked
