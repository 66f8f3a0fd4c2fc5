"""Reads JSON without losing sight of its text: where each value begins and ends.

`json.loads` would do to read a registry, but not to write it back: numbers lose digits,
equal keys collapse, escapes change. Here a value that nobody needs is passed over as text,
however long or deep it is.
"""

import json
import re
from collections.abc import Iterator

WHITE = re.compile(r"[ \t\n\r]*")
STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
SURROGATE = re.compile("[\ud800-\udfff]")


class Malformed(Exception):
    """The text makes no sense at a place: an index, and what is wrong there."""

    def __init__(self, at: int, detail: str):
        super().__init__(detail)
        self.at = at
        self.detail = detail


class Reader:
    """A place in a text, moved forward by each method over what it reads."""

    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        self.at = WHITE.match(self.text, self.at).end()
        return self.text[self.at : self.at + 1]

    def take(self, character: str) -> None:
        """Passes over this character."""
        if self.peek() != character:
            raise Malformed(self.at, f"expected `{character}`")
        self.at += 1

    def members(self) -> Iterator[str]:
        """The keys of an object. Its user reads or skips the value after each."""
        self.take("{")
        if self.peek() != "}":
            yield self._key()
            while self.peek() != "}":
                self.take(",")
                yield self._key()
        self.at += 1

    def elements(self) -> Iterator[int]:
        """Where each element of an array begins. Its user reads or skips it."""
        self.take("[")
        if self.peek() != "]":
            yield self.at
            while self.peek() != "]":
                self.take(",")
                self.peek()
                yield self.at
        self.at += 1

    def string(self) -> str:
        """The string that stands here."""
        begin, raw = self._match(STRING, "expected a string")
        if "\\" not in raw:
            return raw[1:-1]
        text = json.loads(raw)
        if SURROGATE.search(text):
            raise Malformed(begin, "a string has half of a character")
        return text

    def plain(self) -> str:
        """The number, `true`, `false` or `null` that stands here, as text."""
        return self._match(PLAIN, "expected a value")[1]

    def skip(self) -> None:
        """Passes over one value of any kind and depth."""
        closing = []
        while True:
            opening = self.peek()
            if opening == '"':
                self._match(STRING, "expected a string")
            elif opening not in ("{", "["):
                self.plain()
            else:
                self.at += 1
                closing.append("}" if opening == "{" else "]")
                if self.peek() != closing[-1]:
                    self._enter(closing[-1])
                    continue
            # A value is over, and with it all that it was the last part of.
            while closing and self.peek() == closing[-1]:
                self.at += 1
                closing.pop()
            if not closing:
                return
            self.take(",")
            self._enter(closing[-1])

    def _enter(self, closing: str) -> None:
        """Goes to the value of the next element or member."""
        if closing == "}":
            self._match(STRING, "expected a key")
            self.take(":")

    def _key(self) -> str:
        key = self.string()
        self.take(":")
        return key

    def _match(self, pattern: re.Pattern, otherwise: str) -> tuple[int, str]:
        self.peek()
        match = pattern.match(self.text, self.at)
        if match is None:
            raise Malformed(self.at, otherwise)
        self.at = match.end()
        return match.start(), match.group()
