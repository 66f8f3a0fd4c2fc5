"""`stop`: asks workers to end, waits for them, and drops the entries of those that did.

Two short transactions with the wait between them: a worker may need the pool's lock in order
to exit. What fails after the first signal becomes a line of the answer, because by then
somebody was signalled and the caller has to learn it.
"""

from componentize_py_types import Err
from wit_world.exports.pool import StopOptions
from wit_world.imports import registry, signals
from wit_world.imports.types import Error_Cancelled, Error_Denied, Error_Ended, Signal

from ask import Asked, ask, send
from decide import reason
from failures import rejected, warn, words
from pool import Pool, sort
from sessions import Corrupted, dump

# How long a killed worker is waited for, in milliseconds. The host allows this much beyond
# the grace period.
KILL_CONFIRMATION = 2000


def stop(options: StopOptions) -> str:
    """Sends the signal to one session or all, waits, and with `force` kills who is left."""
    if options.signal in (Signal.CONT, Signal.STOP):
        name = f"SIG{options.signal.name}"
        raise rejected(f"{name} asks nobody to end; stop with another signal")
    with registry.begin() as transaction:
        pool = Pool(transaction)
        how = {"group": options.group, "dry_run": options.dry_run}
        workers = [ask(transaction, one, options.signal, **how) for one in pool.survey(options.sid)]
        if workers and all(worker.denied for worker in workers):
            raise Err(Error_Denied(workers[-1].evidence))
        undone = None if options.dry_run else drop_the_dead(pool, workers)
    watch(workers, options)
    errors = [worker.error for worker in workers if worker.error is not None]
    # What was refused once in this request is not asked for again.
    errors += retire(workers) if undone is None else [undone]
    return dump(
        {
            "stopped": [one.worker.entry.sid for one in workers if one.counts_as_stopped()],
            "errors": errors,
            "outcomes": [worker.answer() for worker in workers],
            **({"dry_run": True} if options.dry_run else {}),
        }
    )


def drop_the_dead(pool: Pool, workers: list[Asked]) -> str | None:
    """Drops the entries that need no signal. Says what failed where somebody was signalled
    already; else that is a failure of the request."""
    needless = ("already-dead", "invalid-pid")
    try:
        pool.drop([one.worker for one in workers if one.outcome in needless])
    except Err as error:
        if not any(one.target for one in workers):
            raise
        return not_updated(error)
    return None


def watch(workers: list[Asked], options: StopOptions) -> None:
    """The grace period, and the kill after it."""
    if options.grace > 0:
        ended = "killed" if options.signal == Signal.KILL else "exited"
        await_exit(workers, options.grace, ended)
    if options.force:
        for worker in workers:
            kill(worker, options.group)
        await_exit(workers, KILL_CONFIRMATION, "killed")
        stays = f"is still there {KILL_CONFIRMATION} ms after SIGKILL"
    else:
        stays = (
            f"did not exit within {options.grace} ms after SIG{options.signal.name}; stop it "
            "again with a longer grace period or with force"
        )
    if options.force or options.grace > 0:
        for worker in workers:
            if worker.is_awaited():
                worker.fail("still-running", f"{stays}; its entry is kept until it is found dead")


def await_exit(workers: list[Asked], timeout: int, ended: str) -> None:
    """Waits once for all that were signalled, at most `timeout` milliseconds."""
    awaited = [worker for worker in workers if worker.is_awaited()]
    if not awaited:
        return
    try:
        exits = signals.wait([worker.target for worker in awaited], timeout)
    except Err as error:
        if isinstance(error.value, Error_Cancelled):
            raise
        for worker in awaited:
            why = "signalled, but waiting for it failed, so its entry is kept until it is found"
            worker.fail("signalled", f"{why} dead: {words(error)}")
        return
    for worker, exited in zip(awaited, exits, strict=True):
        if exited:
            worker.outcome = ended


def kill(worker: Asked, group: bool) -> None:
    """Kills a worker that has not ended, or what is left of its group."""
    left_behind = group and worker.outcome == "exited"
    if not left_behind and not worker.is_awaited():
        return
    try:
        send(worker.target, Signal.KILL, group)
    except Err as error:
        if isinstance(error.value, Error_Ended):
            worker.outcome = "exited"
        elif isinstance(error.value, Error_Cancelled):
            raise
        elif left_behind:
            sid = worker.worker.entry.sid
            warn(f"sid={sid}: SIGKILL to what is left of its group failed: {words(error)}")
        else:
            why = f"did not exit, and SIGKILL failed: {words(error)}"
            worker.fail("still-running", f"{why}; its entry is kept until it is found dead")


def retire(workers: list[Asked]) -> list[str]:
    """Drops the entries of those that ended, in a transaction of its own; says what is kept.

    The registry may have changed. Only an entry that still makes the very same claim goes,
    and only when its process is found to be no more.
    """
    ended = [one.worker.entry for one in workers if one.outcome in ("exited", "killed")]
    if not ended:
        return []
    try:
        with registry.begin() as transaction:
            pool = Pool(transaction)
            entries = enumerate(pool.registry.entries)
            same = [one for one in entries if any(one[1].same_claim(entry) for entry in ended)]
            kept, dead = sort(pool.inspect(same))
            pool.drop(dead)
    except (Err, Corrupted) as error:
        return [not_updated(error)]
    still = "it ended, but its entry is kept"
    return [f"sid={one.entry.sid}: {still}: {reason(one.finding)}" for one in kept]


def not_updated(error: Exception) -> str:
    """Says that the registry does not show yet what was done."""
    return (
        f"the registry was not updated: {words(error)}; the entries of workers that are no "
        "more are dropped by the next ensure"
    )
