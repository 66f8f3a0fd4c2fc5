#!/usr/bin/env python3
"""Compares poolwarden with algocline as MCP servers over the same workers.

    compare.py POOLWARDEN ALC [--workers 0,1,10,100,1000] [--rounds 11]

Each round starts both servers, one after the other, on pools of their own with entries of
the same live processes, and asks each for pool_status. Printed are medians and the median
of the rounds' ratios (poolwarden / algocline; below 1 is poolwarden ahead):

    start   from the start of the server to its first answer, in ms
    call    one more pool_status, nothing having changed, in ms
    memory  resident, after the calls, in MiB

Nothing but Python's standard library is needed. algocline is version 0.44.4.
"""
import argparse
import datetime
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

CALLS = 20


class Server:
    """An MCP server, spoken to in lines of JSON."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        self.ids = itertools.count(1)
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "compare", "version": "1"},
        }
        self.ask("initialize", hello)
        self.tell({"method": "notifications/initialized"})

    def tell(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        number = next(self.ids)
        self.tell({"id": number, "method": method, "params": params})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"]
        raise EOFError("the server closed its output")

    def sessions(self, tool):
        result = self.ask("tools/call", {"name": tool, "arguments": {}})
        if result.get("isError"):
            raise RuntimeError(result)
        return json.loads(result["content"][0]["text"])["sessions"]

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def fill(pool, workers):
    """Registers the workers as of now, as algocline writes it."""
    pool.mkdir(parents=True, mode=0o700)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entries = [
        {"sid": f"worker-{number:04}", "pid": worker.pid, "sock": str(pool / f"{number}.sock"),
         "version": "0.44.4", "created_at": now}
        for number, worker in enumerate(workers)
    ]
    registry = pool / "registry.json"
    registry.write_text(json.dumps({"sessions": entries}))
    registry.chmod(0o600)


def measure(command, environment, tool, count):
    begun = time.perf_counter()
    server = Server(command, environment)
    try:
        listed = len(server.sessions(tool))
        start = time.perf_counter() - begun
        if listed != count:
            raise RuntimeError(f"{command[0]} lists {listed} of {count} workers")
        calls = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            server.sessions(tool)
            calls.append(time.perf_counter() - begun)
        return start * 1e3, statistics.median(calls) * 1e3, server.resident_mib()
    finally:
        server.close()


def compare(arguments, count):
    with tempfile.TemporaryDirectory(prefix="poolwarden-compare-") as name:
        root = pathlib.Path(name)
        workers = [subprocess.Popen(["sleep", "3600"]) for _ in range(count)]
        try:
            sides = [
                ([arguments.poolwarden, "mcp", "--state-dir", str(root / "ours")], {"HOME": name},
                 "pool_status"),
                ([arguments.alc], {"HOME": name, "ALC_HOME": str(root / "theirs")},
                 "alc_pool_status"),
            ]
            fill(root / "ours", workers)
            fill(root / "theirs" / "state" / "pool", workers)
            # The first round warms what can be warm, and is not counted.
            rounds = [[measure(*side, count) for side in sides]
                      for _ in range(arguments.rounds + 1)][1:]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    for index, figure in enumerate(("start", "call", "memory")):
        ours, theirs = ([round_[side][index] for round_ in rounds] for side in (0, 1))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        print(f"{count:>7}  {figure:6} {statistics.median(ours):>10.2f} "
              f"{statistics.median(theirs):>10.2f} {ratio:>6.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("poolwarden")
    parser.add_argument("alc")
    parser.add_argument("--workers", default="0,1,10,100,1000")
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    print(f"{'workers':>7}  {'':6} {'poolwarden':>10} {'algocline':>10} {'ratio':>6}")
    for count in map(int, arguments.workers.split(",")):
        compare(arguments, count)


if __name__ == "__main__":
    main()
