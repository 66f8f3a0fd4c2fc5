"""This policy's own rule: a limit to how long workers run. To change the policy, change this.

What is not decided here is as in the shipped policy.
"""

import re
from collections.abc import Callable, Iterator

from failures import rejected
from pool import Surveyed

NAME = "max-age"
# Each setting that the rule reads, with what it does, its unit and its default.
SETTINGS = {
    "max-age": "how long a worker may run, such as 90s, 15m, 8h or 7d; without it, for ever",
}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rule:
    """Made for each request from the operator's settings."""

    def __init__(self, setting: Callable[[str], str | None]):
        """`setting` gives the text of a setting, or None. One that is not understood is an
        error, never a default."""
        text = setting("max-age")
        self.max_age = None if text is None else seconds(text)

    def dismiss(self, running: list[Surveyed], now: int) -> Iterator[tuple[Surveyed, str]]:
        """At `ensure`: who is to be sent SIGTERM, and why.

        `running` are the workers that are proven to run and were not asked to end before, so
        that each is asked once. `now` is in seconds since 1970.
        """
        for worker in running:
            started = worker.finding.started
            # A worker whose start is unknown has no age.
            if None not in (self.max_age, started) and now - started.seconds >= self.max_age:
                yield worker, "it has run for max-age or longer"


def seconds(text: str) -> int:
    """A length of time in seconds."""
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhd])", text.strip())
    if match is None:
        wanted = "a length of time such as 90s, 15m, 8h or 7d"
        raise rejected(f"the setting max-age is {text!r}, which is not {wanted}")
    return int(match[1]) * UNITS[match[2]]
