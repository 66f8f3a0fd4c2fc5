"""Lists and calls the tools of `poolwarden mcp` with the official Python SDK for MCP.

    check.py BINARY

Runs under either line of the SDK, 1.x or 2.x, in every mode of the client that it has.
Each mode gets a pool of its own with real processes, and every answer is validated
against the output schema of its tool. Prints a line for each check that fails, and at
the end how many passed and failed; exits with 1 when one failed.
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
NO_PROCESS = 2**31 - 1  # no kernel gives out a pid this large


class Tally:
    """Counts checks, and names those that fail."""

    def __init__(self):
        self.passed = self.failed = 0
        self.mode = ""

    def check(self, what, holds, seen=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: mcp {SDK}, {self.mode}: {what}: {seen!r}")


@contextlib.contextmanager
def pool():
    """A pool with two live workers, a dead entry, and one of which nothing is proven."""
    workers = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
    try:
        with tempfile.TemporaryDirectory(prefix="poolwarden-sdk-") as directory:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            pids = {"a": workers[0].pid, "b": workers[1].pid, "dead": NO_PROCESS, "init": 1}
            sessions = [
                {"sid": sid, "pid": pid, "sock": "", "version": "1", "created_at": now}
                for sid, pid in pids.items()
            ]
            with open(os.path.join(directory, "registry.json"), "w") as registry:
                json.dump({"sessions": sessions}, registry)
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
    wanted = ["pool_ensure", "pool_status", "pool_stop"]
    tally.check("the tools", list(tools) == wanted, list(tools))
    for tool in tools.values():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
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
    answer = await call("pool_ensure", {})
    tally.check("ensure lists who is left", sids(answer) == ["a", "b", "init"], answer)
    answer = await call("pool_stop", {"sid": "a", "dry_run": True})
    tally.check("a dry run says so", answer["outcomes"][0]["outcome"] == "would-signal", answer)
    answer = await call("pool_stop", {"sid": "a", "grace_ms": 30_000})
    tally.check("stop ends one", answer["stopped"] == ["a"], answer)
    answer = await call("pool_stop", {"grace_ms": 30_000, "force": True})
    tally.check("stop ends all", answer["stopped"] == ["b"], answer)
    tally.check("but not init", len(answer["errors"]) == 1, answer)

    result = plain(await client.call_tool("pool_stop", {"grace_ms": "soon"}))
    tally.check("wrong arguments are the tool's error", result.get("isError") is True, result)
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


async def main(binary):
    tally = Tally()
    for tally.mode, check in modes():
        with pool() as directory:
            parameters = StdioServerParameters(
                command=binary,
                args=["mcp", "--state-dir", directory],
                env={"POOLWARDEN_LOG": "error"},
            )
            try:
                await asyncio.wait_for(check(tally, parameters), 120)
            except Exception:
                tally.check("the mode runs to its end", False, traceback.format_exc())
    print(f"mcp {SDK}: {tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(os.path.abspath(sys.argv[1]))))
