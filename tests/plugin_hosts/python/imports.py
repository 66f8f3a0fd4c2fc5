"""What a request lends the policy: the functions that the WIT world imports."""

import os
import time

from wasmtime.component import Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

import floor
import processes
from errors import HostError, misuse, refused
from files import Pool
from floor import Request
from processes import Claim, Finding, Target

PACKAGE = "poolwarden:pool/{}@0.1.0"
# What tells the two kinds of resources apart. Any two numbers do.
TRANSACTION, TARGET = 1, 2


class Imports:
    """The imports of one request, with all that has to be forgotten after it."""

    def __init__(self, pool: Pool, request: Request, grants: frozenset[str], settings: dict):
        self.pool = pool
        self.request = request
        self.grants = grants
        self.settings = settings
        self.log: list[str] = []
        self.wait_left = request.wait
        # The transaction: its lock, the registry as read, and what was found and done since.
        self.lock: int | None = None
        self.registry: bytes | None = None
        self.claims: list[Claim] = []
        self.found: dict[Claim, Finding] = {}
        self.replaced = False
        # These outlive it. A target's number is its place here.
        self.targets: list[Target | None] = []
        # Which signals each worker got.
        self.sent: dict[Claim, set[str]] = {}

    def close(self) -> None:
        """Frees the lock and lets go of all processes, however the request ended."""
        self.end_transaction()
        for number in range(len(self.targets)):
            self.drop_target(number)

    def begin(self) -> ResourceHost:
        if self.lock is not None:
            raise misuse("this request already holds a transaction")
        self.lock = self.pool.lock()
        self.found.clear()
        self.replaced = False
        try:
            self.registry = self.pool.read()
        except HostError:
            self.end_transaction()
            raise
        try:
            self.claims = floor.read_claims(self.registry)
        except HostError:
            # The policy says what is wrong with it. Nobody in it can be signalled.
            self.claims = []
        return ResourceHost.own(0, TRANSACTION)

    def read(self, _transaction: int) -> bytes | None:
        return self.registry

    def replace(self, _transaction: int, registry: bytes) -> None:
        floor.check_write(self.grants)
        if self.request.dry_run:
            raise refused("the client asked for a dry run")
        if self.replaced:
            raise misuse("the registry was already replaced in this transaction")
        # Read once more, because `claims` is empty when the registry is no registry.
        before, after = floor.read_claims(self.registry), floor.read_claims(registry)
        added = floor.check_replace(before, after, self.request, self.is_dead)
        floor.check_kept(self.registry, registry, added)
        if added and processes.examine_named(added.pid).standing != "alive":
            raise refused("the process to register was not found running")
        self.pool.replace(registry)
        self.replaced = True

    def is_dead(self, claim: Claim) -> bool:
        found = self.found.get(claim)
        return found is not None and found.is_dead()

    def end_transaction(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def inspect(self, claims: list[Record]) -> list[Record]:
        return [self.finding(_claim(claim)) for claim in claims]

    def finding(self, claim: Claim) -> Record:
        request = self.request
        if self.lock is None:
            found = Finding("unknown", "no transaction is open")
        elif claim in self.claims:
            found = self.found[claim] = processes.examine(claim)
        elif request.verb == "register" and (claim.sid, claim.pid) == (request.sid, request.pid):
            found = processes.examine_named(claim.pid)
        else:
            found = Finding("unknown", "the registry has no such entry")
        known = {
            "standing": found.standing,
            "evidence": None if found.standing == "alive" else found.evidence,
            "started": None if found.started is None else _instant(found.started),
            # It takes a ledger to know this in a later request.
            "last-signal": None,
        }
        return record(**known)

    def open(self, _transaction: int, sid: str, pid: int) -> ResourceHost:
        claim = floor.find_target(self.claims, sid, pid)
        floor.check_target(self.request, self.grants, claim)
        target = Target(claim)
        self.targets.append(target)
        return ResourceHost.own(len(self.targets) - 1, TARGET)

    def send(self, number: int, signal: str) -> None:
        target = self.targets[number]
        sent = self.sent.setdefault(target.claim, set())
        floor.check_signal(self.request, self.grants, target.claim, signal, sent)
        target.send(signal)
        sent.add(signal)

    def send_group(self, _number: int, _signal: str) -> None:
        raise refused("this host signals no process groups")

    def wait(self, numbers: list[int], timeout: int) -> list[bool]:
        if self.lock is not None:
            raise misuse("a worker may need the lock to exit")
        started = time.monotonic()
        seconds = min(timeout / 1000, self.wait_left)
        ended = processes.wait([self.targets[number] for number in numbers], seconds)
        self.wait_left = max(0.0, self.wait_left - (time.monotonic() - started))
        return ended

    def drop_target(self, number: int) -> None:
        target, self.targets[number] = self.targets[number], None
        if target is not None:
            target.close()

    def now(self) -> Record:
        return _instant(time.time())

    def get(self, key: str) -> str | None:
        return self.settings.get(key)

    def write_log(self, level: str, context: str, message: str) -> None:
        self.log.append(f"{level} {context}: {message}")

    def add_to(self, linker: Linker) -> None:
        """Links everything that a policy may import, and nothing else."""
        functions = {
            PACKAGE.format("registry"): {
                "begin": self.begin,
                "[method]transaction.read": self.read,
                "[method]transaction.replace": self.replace,
            },
            PACKAGE.format("processes"): {"inspect": self.inspect},
            PACKAGE.format("signals"): {
                "open": self.open,
                "wait": self.wait,
                "[method]target.send": self.send,
                "[method]target.send-group": self.send_group,
            },
            "wasi:clocks/wall-clock@0.2.0": {"now": self.now},
            "wasi:config/store@0.2.0-rc.1": {"get": self.get},
            "wasi:logging/logging@0.1.0-draft": {"log": self.write_log},
        }
        resources = {
            PACKAGE.format("registry"): (
                "transaction",
                TRANSACTION,
                lambda _store, _number: self.end_transaction(),
            ),
            PACKAGE.format("signals"): (
                "target",
                TARGET,
                lambda _store, number: self.drop_target(number),
            ),
        }
        with linker.root() as root:
            for interface, members in functions.items():
                with root.add_instance(interface) as instance:
                    if interface in resources:
                        name, kind, drop = resources[interface]
                        instance.add_resource(name, ResourceType.host(kind), drop)
                    for name, function in members.items():
                        instance.add_func(name, _import(function))


def _import(function):
    """A host function as `wasmtime` calls it: resources become the numbers that they were
    made with, and a HostError becomes the WIT variant. Any other exception is a mistake of
    this host and ends the guest."""

    def call(store, *arguments):
        try:
            return function(*(_plain(store, argument) for argument in arguments))
        except HostError as error:
            return Variant(error.case, str(error))

    return call


def _plain(store, argument):
    if isinstance(argument, list):
        return [_plain(store, element) for element in argument]
    if isinstance(argument, ResourceAny):
        # This also gives a borrowed handle back, which has to happen before the return.
        return argument.to_host(store).rep
    return argument


def record(**fields) -> Record:
    """A WIT record. Its fields are named as in the WIT, with hyphens."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _instant(seconds: float) -> Record:
    whole = int(seconds)
    return record(seconds=whole, nanoseconds=int((seconds - whole) * 1e9))


def _claim(claim: Record) -> Claim:
    return Claim(claim.sid, claim.pid, getattr(claim, "created-at"), claim.sock)
