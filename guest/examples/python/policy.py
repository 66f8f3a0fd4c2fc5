"""A poolwarden policy in Python: the shipped one, and the rule in `rule.py` about who else
should end.

At each `ensure`, whom the rule dismisses is sent SIGTERM, once. They are listed as `stopping`
from then on, and their entries go when they are found dead.
"""

import datetime

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.pool import Description, NewEntry, Setting, StopOptions
from wit_world.imports import registry, store, wall_clock
from wit_world.imports.types import Error_Denied, Signal, Standing

import rule
from ask import ask
from decide import is_dead, name, reason, status
from failures import failing, rejected, warn, words
from pool import Pool as Survey
from pool import Surveyed, sort
from sessions import Entry, dump
from stop import stop

VERSION = "0.1.0"
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write


class Pool(exports.Pool):
    """The exported interface `pool`. Each request runs in an instance of its own."""

    def describe(self) -> Description:
        settings = [Setting(*setting) for setting in rule.SETTINGS.items()]
        return Description(rule.NAME, VERSION, settings)

    @failing
    def ensure(self, dry_run: bool) -> str:
        own = rule.Rule(store.get)
        with registry.begin() as transaction:
            pool = Survey(transaction)
            stay, dead = sort(pool.survey())
            if not dry_run:
                pool.drop(dead)
            running = [one for one in stay if status(one.finding) == "running"]
            dismissed = [
                (ask(transaction, one, Signal.TERM, dry_run=dry_run), why)
                for one, why in own.dismiss(running, wall_clock.now().seconds)
            ]
        for asked, _ in dismissed:
            if asked.error is not None:
                warn(f"ensure: {asked.error}")
        signalled = [asked.worker.place for asked, _ in dismissed if asked.target]
        answer = {
            "sessions": [
                {**one.listed(), "status": "stopping"} if one.place in signalled else one.listed()
                for one in stay
            ],
            "pool_version": VERSION,
            "removed": told(dead),
        }
        if dismissed:
            answer["dismissed"] = [
                {**asked.answer(), "signal": "SIGTERM", "reason": why} for asked, why in dismissed
            ]
        return dump({**answer, "dry_run": True} if dry_run else answer)

    @failing
    def status(self, sid: str | None) -> str:
        with registry.begin() as transaction:
            pool = Survey(transaction)
            stay, dead = sort(pool.survey())
            try:
                pool.drop(dead)
            except Err as error:
                # It is a question first: whoever may not write is answered all the same.
                if not isinstance(error.value, Error_Denied):
                    raise
                warn(f"status: {len(dead)} dead entries stay in the registry: {words(error)}")
                dead = []
        asked_for = [one for one in stay if sid in (None, one.entry.sid)]
        answer = {"sessions": [one.listed_in_full() for one in asked_for], "pool_version": VERSION}
        return dump({**answer, "removed": told(dead)} if dead else answer)

    @failing
    def stop(self, options: StopOptions) -> str:
        return stop(options)

    @failing
    def register(self, entry: NewEntry) -> str:
        if not entry.sid:
            raise rejected("a session needs a sid that is not empty")
        with registry.begin() as transaction:
            pool = Survey(transaction)
            new = Entry(entry.sid, entry.pid, entry.sock, entry.version, rfc3339())
            entries = enumerate(pool.registry.entries)
            holders = [one for one in entries if one[1].sid == new.sid]
            *holders, process = pool.inspect([*holders, (-1, new)])
            for holder in holders:
                if not is_dead(holder.finding):
                    raise rejected(taken(holder))
            if process.finding.standing != Standing.ALIVE:
                raise rejected(unfit(process))
            drop = {holder.place for holder in holders}
            transaction.replace(pool.registry.changed(drop=drop, add=new))
        answer = {"registered": new.fields(), "pool_version": VERSION}
        return dump({**answer, "replaced": holders[-1].removed()} if holders else answer)

    @failing
    def forget(self, sid: str, even_if_alive: bool) -> str:
        with registry.begin() as transaction:
            pool = Survey(transaction)
            surveyed = pool.survey(sid)
            if not surveyed:
                why = "the pool has no such session; its sessions are listed by status"
                raise rejected(f"sid={sid}: {why}")
            for one in surveyed:
                if not even_if_alive and not is_dead(one.finding):
                    raise rejected(may_be_alive(one))
            pool.drop(surveyed)
        return dump({"forgotten": told(surveyed), "pool_version": VERSION})


def told(removed: list[Surveyed]) -> list[dict]:
    """Entries as answers name them when they are dropped."""
    return [one.removed() for one in removed]


def rfc3339() -> str:
    """The time now, as the registry writes it."""
    at = min(wall_clock.now().seconds, LAST_SECOND)
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def standing(one: Surveyed) -> str:
    """What was found, in the middle of a sentence."""
    return f"{name(one.finding.standing)} ({reason(one.finding)})"


def taken(holder: Surveyed) -> str:
    """Says who holds a sid and how it can become free."""
    if holder.finding.standing == Standing.ALIVE:
        remedy = "stop it first"
    else:
        remedy = "forget it first (with --even-if-alive) once you know that its worker is no more"
    entry = holder.entry
    names = f"its entry names pid {entry.pid}, which is {standing(holder)}"
    return f"sid={entry.sid} is taken: {names}; {remedy}, or use another sid"


def unfit(process: Surveyed) -> str:
    """Says why a process cannot be registered."""
    entry = process.entry
    return (
        f"sid={entry.sid}: pid {entry.pid} is not registered, because it is "
        f"{standing(process)}; name the pid of a process that runs on this machine"
    )


def may_be_alive(one: Surveyed) -> str:
    """Says what may be lost and how to insist."""
    alive = one.finding.standing == Standing.ALIVE
    instead = "stop it instead, or forget it" if alive else "forget it"
    return (
        f"sid={one.entry.sid}: its entry names pid {one.entry.pid}, which is {standing(one)}; "
        f"{instead} with --even-if-alive and leave its process to itself"
    )
