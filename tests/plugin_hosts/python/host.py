"""Runs a poolwarden policy in Python, with the package `wasmtime`.

    host = Host("guest/policy.wasm", "/path/to/pool")
    print(host.status())

The component is loaded as it is. Each request runs in a fresh instance of it, with imports
of its own: nothing of a policy outlives its answer.
"""

import wasmtime
from wasmtime.component import Component, Linker, Variant

from files import Pool
from floor import Request
from imports import PACKAGE, Imports, record

# What one request may use. A guest that needs more is ended.
FUEL = 2_000_000_000  # roughly, WebAssembly instructions
MEMORY = 512 << 20  # bytes
# How long a killed worker is waited for, beyond the grace period.
KILL_CONFIRMATION = 2.0  # seconds


class Failure(Exception):
    """Why a request has no answer: the WIT variant `failure`.

    `kind` is host, corrupted or rejected. Where it is host, `case` is that of the host's
    error.
    """

    def __init__(self, kind: str, text: str, case: str | None = None):
        super().__init__(text)
        self.kind = kind
        self.case = case


class Host:
    """A policy over a pool. The answers are JSON text; what fails is a `Failure`."""

    def __init__(self, component: str, pool: str, *, grants=(), settings=None):
        """`grants` are `registry-write`, `dismiss` and names of signals, like `term`."""
        config = wasmtime.Config()
        config.consume_fuel = True
        self.engine = wasmtime.Engine(config)
        self.component = Component.from_file(self.engine, component)
        self.pool = Pool(pool)
        self.grants = frozenset(grants)
        self.settings = dict(settings or {})

    def describe(self) -> dict:
        """What the policy says about itself."""
        said = self._call(Request("describe"))
        settings = {setting.name: setting.description for setting in said.settings}
        return {"name": said.name, "version": said.version, "settings": settings}

    def ensure(self, dry_run: bool = False) -> str:
        """Collects the dead and lists who is left."""
        return self._answer(Request("ensure", dry_run=dry_run), dry_run)

    def status(self, sid: str | None = None) -> str:
        """Lists one session or all."""
        return self._answer(Request("status", sid=sid), sid)

    def stop(
        self, sid: str | None = None, *, grace: int = 2000, force: bool = False, dry_run=False
    ) -> str:
        """Stops one session or all. `grace` is in milliseconds."""
        options = {"sid": sid, "signal": "term", "group": False, "grace": grace, "force": force}
        wait = grace / 1000 + (KILL_CONFIRMATION if force else 0)
        request = Request("stop", sid=sid, dry_run=dry_run, wait=wait, force=force)
        return self._answer(request, record(**options, **{"dry-run": dry_run}))

    def register(self, sid: str, pid: int, sock: str = "", version: str = "") -> str:
        """Adds an entry for a process that runs."""
        request = Request("register", sid=sid, pid=pid, sock=sock)
        return self._answer(request, record(sid=sid, pid=pid, sock=sock, version=version))

    def forget(self, sid: str, even_if_alive: bool = False) -> str:
        """Drops an entry without touching its process."""
        request = Request("forget", sid=sid, even_if_alive=even_if_alive)
        return self._answer(request, sid, even_if_alive)

    def _answer(self, request: Request, *arguments) -> str:
        result = self._call(request, *arguments)
        if result.tag == "err":
            raise _failure(result.payload)
        return result.payload

    def _call(self, request: Request, *arguments):
        """Calls the export that the request is named after, in a fresh instance.

        A guest that traps or uses too much ends in a `wasmtime.WasmtimeError`.
        """
        store = wasmtime.Store(self.engine)
        store.set_fuel(FUEL)
        store.set_limits(memory_size=MEMORY)
        linker = Linker(self.engine)
        imports = Imports(self.pool, request, self.grants, self.settings)
        imports.add_to(linker)
        try:
            instance = linker.instantiate(store, self.component)
            interface = instance.get_export_index(store, PACKAGE.format("pool"))
            function = instance.get_export_index(store, request.verb, interface)
            return instance.get_func(store, function)(store, *arguments)
        finally:
            imports.close()


def _failure(payload) -> Failure:
    """The package passes a variant without its case where the payload's type tells it."""
    if isinstance(payload, str):
        return Failure("rejected", payload)
    if isinstance(payload, Variant):
        return Failure("host", payload.payload, payload.tag)
    return Failure("corrupted", f"line {payload.line}, column {payload.column}: {payload.detail}")
