"""Lists and calls the tools of `poolwarden mcp` with the official Python SDK for MCP.

    check.py BINARY LYING_POLICY

Runs under either line of the SDK, 1.x or 2.x, in every mode of the client that it has.
Each mode gets a pool of its own with real processes, and every answer is validated
against the output schema of its tool. A policy that lies makes no call throw. Beside all
that, a stop of POOLWARDEN_SDK_LONG seconds (90) has to come to its end with progress.
Prints a line for each check that fails, and at the end how many passed and failed; exits
with 1 when one failed.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback

import jsonschema
import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client

SDK = importlib.metadata.version("mcp")
LONG = float(os.environ.get("POOLWARDEN_SDK_LONG", "90"))  # seconds
# A worker that takes no notice of SIGTERM, and says when it is so.
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
NO_PROCESS = 2**31 - 1  # no kernel gives out a pid this large


class Tally:
    """Counts checks, and names those that fail."""

    def __init__(self, mode=""):
        self.passed = self.failed = 0
        self.mode = mode

    def check(self, what, holds, seen=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: mcp {SDK}, {self.mode}: {what}: {seen!r}")


def register(directory, pids):
    """Writes a registry with these sessions, as another program would."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sessions = [
        {"sid": sid, "pid": pid, "sock": "", "version": "1", "created_at": now}
        for sid, pid in pids.items()
    ]
    with open(os.path.join(directory, "registry.json"), "w") as registry:
        json.dump({"sessions": sessions}, registry)


def server(binary, directory, options=()):
    """How a server on this pool is started."""
    return StdioServerParameters(
        command=binary,
        args=["--state-dir", directory, *options, "mcp"],
        env={"POOLWARDEN_LOG": "off"},
    )


@contextlib.contextmanager
def pool():
    """A pool with two live workers, a dead entry, and one of which nothing is proven."""
    workers = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
    try:
        with tempfile.TemporaryDirectory(prefix="poolwarden-sdk-") as directory:
            pids = {"a": workers[0].pid, "b": workers[1].pid, "dead": NO_PROCESS, "init": 1}
            register(directory, pids)
            yield directory
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def plain(model):
    """What the SDK made of a message, as the JSON that it was."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def check_server(tally, server, instructions):
    """What the server says about itself."""
    tally.check("the server's name", server["name"] == "poolwarden", server)
    tally.check("the server's version", bool(server["version"]), server)
    tally.check("instructions name the tools", "pool_stop" in (instructions or ""), instructions)


async def check_tools(tally, client):
    """Lists the tools and calls each on a pool made by `pool`."""
    tools = {tool["name"]: tool for tool in plain(await client.list_tools())["tools"]}
    wanted = ["pool_ensure", "pool_status", "pool_stop", "pool_list"]
    tally.check("the tools", list(tools) == wanted, list(tools))
    for tool in tools.values():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
            text = json.dumps(schema)
            plain_schema = "$schema" not in text and '"format"' not in text
            tally.check(f"{tool['name']}: a plain schema", plain_schema, schema)
            tally.check(f"{tool['name']}: an object schema", schema["type"] == "object", schema)
        hints = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        tally.check(f"{tool['name']}: hints", hints <= tool["annotations"].keys(), tool)

    async def call(tool, arguments):
        what = f"{tool} {json.dumps(arguments)}"
        result = plain(await client.call_tool(tool, arguments))
        tally.check(f"{what}: an answer", not result.get("isError"), result)
        answer = result.get("structuredContent")
        problems = list(
            jsonschema.Draft202012Validator(tools[tool]["outputSchema"]).iter_errors(answer)
        )
        tally.check(f"{what}: fits its schema", not problems, problems)
        texts = [json.loads(part["text"]) for part in result["content"]]
        tally.check(f"{what}: the text is the same", texts == [answer], result)
        return answer

    def sids(answer):
        return [session["sid"] for session in answer["sessions"]]

    answer = await call("pool_list", {})
    tally.check("the list shows the dead", answer["dead"][0]["sid"] == "dead", answer)
    tally.check("the list begins with exceptions", sids(answer) == ["init", "a", "b"], answer)
    answer = await call("pool_ensure", {"dry_run": True})
    tally.check("a dry run names the dead", answer["removed"][0]["sid"] == "dead", answer)
    answer = await call("pool_status", {})
    tally.check("status lists who is left", sids(answer) == ["a", "b", "init"], answer)
    statuses = [session["status"] for session in answer["sessions"]]
    tally.check("and how it is", statuses == ["running", "running", "unproven"], answer)
    answer = await call("pool_status", {"sid": "b"})
    tally.check("status filters", sids(answer) == ["b"], answer)
    answer = await call("pool_status", {"sid": "nobody"})
    tally.check("an unknown sid is nobody", sids(answer) == [], answer)
    tally.check("and that is said", "no session has the sid" in answer["note"], answer)
    answer = await call("pool_status", {"limit": 1})
    tally.check("a limit keeps the exception", sids(answer) == ["init"], answer)
    tally.check("and counts the others", answer["left_out"] == 2, answer)
    answer = await call("pool_ensure", {})
    tally.check("ensure lists who is left", sids(answer) == ["a", "b", "init"], answer)
    answer = await call("pool_stop", {"sid": "a", "dry_run": True})
    tally.check("a dry run says so", answer["outcomes"][0]["outcome"] == "would-signal", answer)
    answer = await call("pool_stop", {"sid": "a", "grace_ms": 30_000})
    tally.check("stop ends one", answer["stopped"] == ["a"], answer)
    answer = await call("pool_stop", {"grace_ms": 30_000, "force": True})
    tally.check("stop ends all", answer["stopped"] == ["b"], answer)
    tally.check("but not init", len(answer["errors"]) == 1, answer)

    for wrong in ({"grace_ms": "soon"}, {"sid": None}, {"sid": "init"}):
        result = plain(await client.call_tool("pool_stop", wrong))
        tally.check(f"{wrong} is the tool's error", result.get("isError") is True, result)
    try:
        result = plain(await client.call_tool("pool_start", {}))
        tally.check("an unknown tool is the protocol's error", False, result)
    except Exception as error:  # the SDK's lines name its class differently
        kind = type(error).__name__
        tally.check("an unknown tool is the protocol's error", kind.lower() == "mcperror", error)


async def check_session(tally, parameters, opening):
    """The session class of both lines, opened by one of its methods."""
    async with stdio_client(parameters) as (read, write):
        async with mcp.ClientSession(read, write) as session:
            opened = await getattr(session, opening)()
            server = plain(opened).get("serverInfo") or plain(session.server_info)
            await check_tools(tally, session)
            check_server(tally, server, opened.instructions)


async def check_client(tally, parameters, mode, spoken, **options):
    """The client of the 2.x line in one of its modes, which leads to this version."""
    async with mcp.Client(parameters, mode=mode, **options) as client:
        version = client.protocol_version
        tally.check("the protocol's version", version in spoken, version)
        await check_tools(tally, client)
        # A client that is pinned to a version without more has not asked who is there.
        if client.server_info is not None:
            check_server(tally, plain(client.server_info), client.instructions)
        else:
            tally.check("only a bare pin knows no server", mode in spoken and not options, mode)


async def check_lying(tally, binary, policy):
    """A policy whose answers are none makes every call an error, and none throw."""
    for attack in ("describe-only", "answer-text", "answer-array", "trap"):
        tally.mode = f"the lying policy, {attack}"
        with pool() as directory:
            policy_options = ["--policy", policy, "--setting", f"attack={attack}"]
            parameters = server(binary, directory, policy_options)
            async with stdio_client(parameters) as (read, write):
                async with mcp.ClientSession(read, write) as session:
                    await session.initialize()
                    await session.list_tools()
                    for tool in ("pool_list", "pool_status", "pool_ensure", "pool_stop"):
                        result = plain(await session.call_tool(tool, {}))
                        tally.check(f"{tool} fails", result.get("isError") is True, result)


async def check_long(tally, binary):
    """A stop that lasts longer than most clients wait, while its progress is told."""
    worker = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    worker.stdout.readline()
    told = []

    async def progress(now, total, message):
        told.append((time.monotonic(), now, total, message))

    try:
        with tempfile.TemporaryDirectory(prefix="poolwarden-sdk-") as directory:
            register(directory, {"deaf": worker.pid})
            async with stdio_client(server(binary, directory)) as (read, write):
                async with mcp.ClientSession(read, write) as session:
                    await session.initialize()
                    begun = time.monotonic()
                    arguments = {"sid": "deaf", "grace_ms": int(LONG * 1000)}
                    result = await session.call_tool(
                        "pool_stop", arguments, progress_callback=progress
                    )
                    took = time.monotonic() - begun
        outcome = plain(result)["structuredContent"]["outcomes"][0]["outcome"]
        tally.check("it has its answer", outcome == "still-running", plain(result))
        tally.check("it lasts as long as it is to", LONG <= took < LONG + 20, took)
        times = [begun, *(at for at, *_ in told), begun + took]
        silence = max(b - a for a, b in zip(times, times[1:]))
        tally.check("nobody waits long for news", silence < 10, silence)
        steps = [now for _, now, *_ in told]
        increases = all(a < b for a, b in zip(steps, steps[1:]))
        tally.check("the progress increases", bool(steps) and increases, steps)
        tally.check("and has a total", told and told[-1][2] == 1, told[-1:])
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


async def discovered(parameters):
    """What the server says about itself when it is asked."""
    async with mcp.Client(parameters, mode="auto") as client:
        return client.session.discover_result


def amid_noise(parameters):
    """The same server, which is also sent what it cannot read, and answers that to nobody."""
    noise = '{ echo garbage; echo "[]"; cat; } | "$0" "$@"'
    return StdioServerParameters(
        command="sh",
        args=["-c", noise, parameters.command, *parameters.args],
        env=parameters.env,
    )


def modes():
    """Each mode of the client with what checks it."""
    yield "ClientSession.initialize", lambda *to: check_session(*to, "initialize")

    async def check_amid_noise(tally, parameters):
        await check_session(tally, amid_noise(parameters), "initialize")

    yield "ClientSession.initialize, beside errors that answer nobody", check_amid_noise
    if not hasattr(mcp, "Client"):
        return
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

    yield "ClientSession.discover", lambda *to: check_session(*to, "discover")
    yield "legacy", lambda *to: check_client(*to, "legacy", HANDSHAKE_PROTOCOL_VERSIONS)
    yield "auto", lambda *to: check_client(*to, "auto", MODERN_PROTOCOL_VERSIONS)

    async def check_client_amid_noise(tally, parameters):
        to = amid_noise(parameters)
        await check_client(tally, to, "auto", MODERN_PROTOCOL_VERSIONS)

    yield "auto, beside errors that answer nobody", check_client_amid_noise
    for version in MODERN_PROTOCOL_VERSIONS:
        yield version, lambda *to, version=version: check_client(*to, version, [version])

        async def check_known(tally, parameters, version=version):
            known = await discovered(parameters)
            await check_client(tally, parameters, version, [version], prior_discover=known)

        yield f"{version}, server known", check_known


async def to_its_end(tally, check):
    """A check that may not throw, and not last for ever."""
    try:
        await asyncio.wait_for(check, LONG + 120)
    except Exception:
        tally.check("it runs to its end", False, traceback.format_exc())


async def main(binary, lying_policy):
    tally, of_long = Tally(), Tally("a long stop")
    long = asyncio.create_task(to_its_end(of_long, check_long(of_long, binary)))
    for tally.mode, check in modes():
        with pool() as directory:
            await to_its_end(tally, check(tally, server(binary, directory)))
    await to_its_end(tally, check_lying(tally, binary, lying_policy))
    await long
    passed, failed = tally.passed + of_long.passed, tally.failed + of_long.failed
    print(f"mcp {SDK}: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*map(os.path.abspath, sys.argv[1:]))))
