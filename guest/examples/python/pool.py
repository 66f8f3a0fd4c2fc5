"""The registry beside what the host found about each of its entries."""

from dataclasses import dataclass

from wit_world.imports import processes
from wit_world.imports.registry import Transaction
from wit_world.imports.types import Claim, Finding

from decide import is_dead, name, reason, status
from sessions import Entry, Registry


@dataclass
class Surveyed:
    """One entry, its place in the file, and what was found about its process."""

    place: int
    entry: Entry
    finding: Finding

    def listed(self) -> dict:
        """As `ensure` lists it."""
        known = {key: value for key, value in self.entry.fields().items() if key != "created_at"}
        return {**known, **self._standing()}

    def listed_in_full(self) -> dict:
        """As `status` lists it."""
        return {**self.entry.fields(), **self._standing()}

    def removed(self) -> dict:
        """As answers name an entry that was dropped."""
        return {
            "sid": self.entry.sid,
            "pid": self.entry.pid,
            "standing": name(self.finding.standing),
            "evidence": reason(self.finding),
        }

    def _standing(self) -> dict:
        how = status(self.finding)
        if how in ("running", "stopping"):
            return {"status": how}
        return {"status": how, "evidence": reason(self.finding)}


class Pool:
    """A registry in a transaction."""

    def __init__(self, transaction: Transaction):
        self.transaction = transaction
        self.registry = Registry(transaction.read())

    def survey(self, sid: str | None = None) -> list[Surveyed]:
        """All entries or those of a sid, with what the host finds about them now."""
        entries = enumerate(self.registry.entries)
        return self.inspect([one for one in entries if sid in (None, one[1].sid)])

    def inspect(self, placed: list[tuple[int, Entry]]) -> list[Surveyed]:
        """Asks the host about these entries, in one call; in none when there are none."""
        claims = [Claim(e.sid, e.pid, e.created_at, e.sock) for _, e in placed]
        findings = processes.inspect(claims) if claims else []
        return [Surveyed(*one, found) for one, found in zip(placed, findings, strict=True)]

    def drop(self, gone: list[Surveyed]) -> None:
        """Drops entries. Without any, the file is not touched."""
        if gone:
            self.transaction.replace(self.registry.changed(drop={one.place for one in gone}))


def sort(surveyed: list[Surveyed]) -> tuple[list[Surveyed], list[Surveyed]]:
    """Who stays, and whose entry can go because the process is proven to be no more."""
    stay = [one for one in surveyed if not is_dead(one.finding)]
    return stay, [one for one in surveyed if is_dead(one.finding)]
