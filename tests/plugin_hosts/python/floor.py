"""What this host refuses, whatever a policy asks.

Everything is measured against the host's own reading of the registry, never against what
the policy says about it.
"""

import collections
import dataclasses
import datetime
import json
import re
import time
from collections.abc import Callable

from errors import denied, refused
from processes import LARGEST_PID, Claim, forbidden

# Seconds by which the time of a new entry may differ from now.
SLACK = 5.0
# Brackets, and strings with the colon after them: the rest is no news.
TOKEN = re.compile(r'[][{}]|"(?:[^"\\]|\\.)*"(?:\s*:)?')
KNOWN_KEYS = {"sessions", "sid", "pid", "sock", "version", "created_at"}


@dataclasses.dataclass(frozen=True)
class Request:
    """What the client asked for, as far as it says which entries may come and go."""

    verb: str
    sid: str | None = None
    dry_run: bool = False
    # Of `stop`: seconds that may be spent on waiting, and whether it may kill.
    wait: float = 0.0
    force: bool = False
    # Of `forget`: also when the process is not proven dead.
    even_if_alive: bool = False
    # Of `register`: the process and its socket.
    pid: int | None = None
    sock: str | None = None

    def drops(self, claim: Claim) -> bool:
        """Whether the request itself says that this entry goes."""
        if self.verb == "forget":
            return self.even_if_alive and claim.sid == self.sid
        if self.verb == "stop":
            possible = 0 < claim.pid <= LARGEST_PID
            return not possible and self.sid in (None, claim.sid)
        return False

    def adds(self, claim: Claim) -> bool:
        """Whether the request registers this very entry, dated now."""
        if self.verb != "register":
            return False
        named = (claim.sid, claim.pid, claim.sock) == (self.sid, self.pid, self.sock)
        try:
            created = datetime.datetime.fromisoformat(claim.created_at)
        except ValueError:
            return False
        return (
            named and created.tzinfo is not None and abs(created.timestamp() - time.time()) <= SLACK
        )


def read_claims(registry: bytes | None) -> list[Claim]:
    """The claims of a registry. No file is an empty one.

    Refuses what is no registry: nobody may be signalled or dropped on a guess.
    """
    if registry is None:
        return []
    try:
        document = json.loads(
            registry.decode("utf-8"),
            object_pairs_hook=_object,
            # An integer that no pid can be stays text: it may have more digits than
            # Python converts.
            parse_int=lambda digits: int(digits) if len(digits) <= 10 else digits,
        )
        return [_claim(entry) for entry in document["sessions"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise refused(f"this is no registry: {error!r}") from error


def check_replace(
    before: list[Claim],
    after: list[Claim],
    request: Request,
    is_dead: Callable[[Claim], bool],
) -> Claim | None:
    """Refuses a replacement that would lose, forge or change an entry.

    `is_dead` says of a claim that its process was found dead in this transaction. That it was
    signalled is no reason to go. Returns the claim that is added, if any.
    """
    for claim, count in (collections.Counter(before) - collections.Counter(after)).items():
        if not (is_dead(claim) or request.drops(claim)):
            raise refused(
                f"the entry of {claim.sid!r} (pid {claim.pid}) would be lost or changed "
                f"({count} of them), and its process is not proven dead"
            )
    added = list((collections.Counter(after) - collections.Counter(before)).elements())
    if len(added) > 1 or not all(request.adds(claim) for claim in added):
        raise refused(f"an entry of {added[0].sid!r} would come that nobody registered")
    return added[0] if added else None


def find_target(claims: list[Claim], sid: str, pid: int) -> Claim:
    """The one entry that a policy may mean by a sid and a pid."""
    named = [claim for claim in claims if claim.sid == sid]
    if [claim.pid for claim in named] != [pid]:
        raise refused(f"not exactly one entry says that pid {pid} is {sid!r}")
    if reason := forbidden(pid):
        raise refused(reason)
    return named[0]


def check_kept(before: bytes | None, after: bytes, added: Claim | None) -> None:
    """Refuses a replacement that changes what is not known: each entry that stays, and all
    that stands beside `sessions`, keeps every byte. Both are registries."""
    if before is None:
        return
    (around, old), (new_around, new) = _parts(before.decode()), _parts(after.decode())
    if around != new_around:
        raise refused("what stands outside of `sessions` has to stay byte for byte")
    # A text that was not there is that of the entry that comes, or of one that changed.
    others = collections.Counter(new) - collections.Counter(old)
    if others.total() > (added is not None):
        raise refused("an entry that stays has to stay byte for byte")


def check_target(request: Request, grants: frozenset[str], claim: Claim) -> None:
    """Refuses to open a worker that the request signals by no means."""
    if request.verb == "ensure":
        if "dismiss" not in grants:
            raise denied("dismiss")
    elif request.verb != "stop":
        raise refused(f"`{request.verb}` signals nobody, whatever is granted")
    elif request.sid not in (None, claim.sid):
        raise refused(f"the client asked to stop {request.sid!r}, not {claim.sid!r}")


def check_signal(
    request: Request, grants: frozenset[str], claim: Claim, signal: str, sent: set[str]
) -> None:
    """Refuses a signal that the request does not comprise, or that is not granted. `sent` is
    what the worker got in this request. CONT comes with TERM, so that a stopped process can
    act on it."""
    check_target(request, grants, claim)
    if request.dry_run:
        raise refused("the client asked for a dry run")
    is_asked = (
        signal == "term"
        or (signal == "cont" and "term" in sent)
        or (signal == "kill" and request.force)
    )
    if request.verb == "stop" and not is_asked:
        raise refused(f"the client did not ask for {signal.upper()}")
    if signal not in grants and not (signal == "cont" and "term" in grants):
        raise denied(f"signal {signal.upper()}")


def check_write(grants: frozenset[str]) -> None:
    """Refuses a replacement without the grant for it."""
    if "registry-write" not in grants:
        raise denied("registry-write")


def _parts(registry: str) -> tuple[str, list[str]]:
    """What stands around the entries of a registry, and the text of each entry."""
    depth, key, begin, entries, around = 0, None, 0, [], (0, 0)
    for token in TOKEN.finditer(registry):
        text = token.group()
        if text in "{[":
            depth += 1
            if depth == 2 and key == "sessions":
                around = (token.end(), token.end())
            elif depth == 3 and key == "sessions":
                begin = token.start()
        elif text in "}]":
            if depth == 3 and key == "sessions":
                entries.append(registry[begin : token.end()])
            elif depth == 2 and key == "sessions":
                around = (around[0], token.start())
            depth -= 1
        elif depth == 1:
            key = json.loads(text.rstrip(": \t\r\n"))
    return registry[: around[0]] + registry[around[1] :], entries


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Readers differ in which of two equal keys they believe."""
    counts = collections.Counter(key for key, _ in pairs)
    for key in KNOWN_KEYS & counts.keys():
        if counts[key] > 1:
            raise ValueError(f"the key {key} stands there twice")
    return dict(pairs)


def _claim(entry: dict) -> Claim:
    claim = Claim(entry["sid"], entry["pid"], entry["created_at"], entry["sock"])
    texts = (claim.sid, claim.created_at, claim.sock, entry["version"])
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a field that has to be text is not")
    if type(claim.pid) is not int or not 0 <= claim.pid < 2**32:
        raise ValueError("a pid is no unsigned 32-bit number")
    return claim
