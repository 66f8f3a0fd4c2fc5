"""The registry: reading its entries, and changing it without writing it anew.

What is known has to be there, once, in its type: algocline refuses a whole file otherwise,
and a reader that guesses could lose a live worker. What is not known stays as it is.
"""

import json
import re
from dataclasses import dataclass

from scan import Malformed, Reader

LARGEST_PID = 2**32 - 1  # of the registry; a process has half of it at most
WHOLE = re.compile("0|[1-9][0-9]{0,9}")
FIELDS = ("sid", "pid", "sock", "version", "created_at")


class Corrupted(Exception):
    """The bytes are no registry. Lines and columns count from 1, columns in bytes."""

    def __init__(self, line: int, column: int, detail: str):
        super().__init__(detail)
        self.line, self.column, self.detail = line, column, detail


@dataclass(frozen=True)
class Entry:
    """One element of `sessions`."""

    sid: str
    pid: int
    sock: str
    version: str
    created_at: str
    # Where it stands in the text. One that is new stands nowhere yet.
    begin: int = 0
    end: int = 0

    def fields(self) -> dict:
        """Its five fields, in the order in which algocline writes them."""
        return {name: getattr(self, name) for name in FIELDS}

    def same_claim(self, other: "Entry") -> bool:
        """Whether both name the same process for the same session."""
        claims = ((e.sid, e.pid, e.sock, e.created_at) for e in (self, other))
        return next(claims) == next(claims)


class Registry:
    """A registry as it was read. No file is an empty pool; an empty file is none."""

    def __init__(self, file: bytes | None):
        self.text: str | None = None
        self.entries: list[Entry] = []
        # What stands between the brackets of `sessions`.
        self.begin = self.end = 0
        if file is None:
            return
        try:
            self.text = file.decode("utf-8")
        except UnicodeDecodeError as error:
            at = len(file[: error.start].decode("utf-8"))
            text = file.decode("utf-8", errors="replace")
            raise _corrupted(text, at, "a byte that is no UTF-8") from None
        try:
            self._read(Reader(self.text))
        except Malformed as error:
            raise _corrupted(self.text, error.at, error.detail) from None

    def _read(self, reader: Reader) -> None:
        found = False
        for key in reader.members():
            if key != "sessions":
                reader.skip()
                continue
            if found:
                raise Malformed(reader.at, "`sessions` stands here twice")
            found = True
            reader.peek()
            self.begin = reader.at + 1
            self.entries = [_entry(reader, begin) for begin in reader.elements()]
            self.end = reader.at - 1
        if not found:
            raise Malformed(reader.at, "there are no `sessions`")
        if reader.peek():
            raise Malformed(reader.at, "there is more than the registry")

    def changed(self, drop: set[int] = frozenset(), add: Entry | None = None) -> bytes:
        """The bytes of the registry without the entries at these places, and with one more.

        Every other byte stays. The new entry is indented like the last one before it.
        """
        new = None if add is None else dump(add.fields())
        if self.text is None:
            return f'{{"sessions":[{new or ""}]}}\n'.encode()
        kept = []
        for place, entry in enumerate(self.entries):
            if place not in drop:
                gap = self._gap(place) if kept else self._indent(0)
                kept.append(gap + self.text[entry.begin : entry.end])
        if new is not None:
            gap = self._indent(len(self.entries) - 1)
            kept.append(f",{gap}{new}" if kept else gap + new)
        tail = self.entries[-1].end if kept and self.entries else self.end
        return (self.text[: self.begin] + "".join(kept) + self.text[tail:]).encode()

    def _gap(self, place: int) -> str:
        """What stands between an entry and the one before it, or the bracket."""
        before = self.entries[place - 1].end if place else self.begin
        return self.text[before : self.entries[place].begin]

    def _indent(self, place: int) -> str:
        """The white space of a gap, without the comma and what is before it."""
        return self._gap(place).rpartition(",")[2] if self.entries else ""


def dump(value: object) -> str:
    """JSON text without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _entry(reader: Reader, begin: int) -> Entry:
    known = {}
    for key in reader.members():
        if key not in FIELDS:
            reader.skip()
        elif key in known:
            raise Malformed(reader.at, f"`{key}` stands here twice")
        else:
            known[key] = _pid(reader) if key == "pid" else reader.string()
    for name in FIELDS:
        if name not in known:
            raise Malformed(begin, f"this entry has no `{name}`")
    return Entry(**known, begin=begin, end=reader.at)


def _pid(reader: Reader) -> int:
    text = reader.plain()
    if not WHOLE.fullmatch(text) or int(text) > LARGEST_PID:
        raise Malformed(reader.at, "a pid is a whole number from 0 to 4294967295")
    return int(text)


def _corrupted(text: str, at: int, detail: str) -> Corrupted:
    line = text.count("\n", 0, at) + 1
    column = len(text[text.rfind("\n", 0, at) + 1 : at].encode()) + 1
    return Corrupted(line, column, detail)
