"""Looks at the system calls of poolwarden with strace.

    check.py BINARY

These promises are kept or broken here, in system calls and nowhere else:

- a `pool_status` that changes nothing writes nothing in the pool and syncs nothing,
- a `pool_stop` signals through pidfds alone, never by a bare pid, and each signal lies
  between two appends to the audit trail,
- a policy without the grant for a signal sends none, and its denial says how to give it,
- starting the server compiles nothing and starts no other program,
- to stop many workers takes a few questions for each, and not one for each pair of them,
- `policy replay` touches neither a process nor the pool.

Prints a line for each check that fails, and at the end `N passed, M failed`; exits with 1
when one failed. Standard library only.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

# Calls that change a file or a directory, or wait for the disk.
WRITES = {
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range",
    "truncate", "ftruncate", "fallocate", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod",
    "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "fchownat",
    "utimensat",
}
SYNCS = {"fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"}
OPENS = {"open", "openat", "openat2", "creat"}
# In a record of the trail, as strace shows what is written.
ENDED = '\\"result\\":\\"ended\\"'
BARE_SIGNALS = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}

# A worker that takes no notice of SIGTERM, and says when it is so.
DEAF = 'trap "" TERM; echo deaf; while :; do sleep 1; done'

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SHIPPED = os.path.abspath(
    os.environ.get("POOLWARDEN_POLICY_COMPONENT")
    or os.path.join(REPOSITORY, "guest", "policy.wasm")
)
HOSTILE = os.path.join(REPOSITORY, "tests", "guests", "hostile.wasm")

passed = failed = 0


def check(what, holds, seen):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"failed: {what}:")
        for line in seen or ["(no such call)"]:
            print(f"    {line}")


class TracedServer:
    """A server under strace, and a client of it. Each request's id stands in the trace."""

    def __init__(self, binary, pool, trace):
        self.pool, self.trace = pool, trace
        self.child = subprocess.Popen(
            # -y: the path of each descriptor; -s: long enough for the ids of requests.
            ["strace", "-f", "-y", "-s", "4096", "-o", trace, binary, "mcp", "--state-dir", pool],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"HOME": pool}, text=True,
        )
        self.request("open", "initialize", {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "strace", "version": "1"},
        })
        self.send({"method": "notifications/initialized"})

    def send(self, message):
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.child.stdin.flush()

    def request(self, name, method, params):
        self.send({"id": name, "method": method, "params": params})
        for line in self.child.stdout:
            answer = json.loads(line)
            if answer.get("id") == name:
                return answer["result"]
        raise EOFError("the server ended")

    def call(self, name, tool, arguments):
        result = self.request(name, "tools/call", {"name": tool, "arguments": arguments})
        assert not result.get("isError"), result
        return result["structuredContent"]

    def close(self):
        """Ends the server; its system calls, one a line."""
        self.child.stdin.close()
        assert self.child.wait(20) == 0
        self.child.stdout.close()
        with open(self.trace) as trace:
            return trace.read().splitlines()


def during(calls, name):
    """The calls between the arrival of a request and its answer."""
    marked = [i for i, line in enumerate(calls) if f'\\"id\\":\\"{name}\\"' in line.replace(" ", "")]
    assert len(marked) >= 2, f"the request {name} is not in the trace"
    return calls[marked[0] : marked[-1] + 1]


def named(calls, names):
    """Those calls that have one of these names, begun or resumed."""
    pattern = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>)")
    return [line for line in calls if (match := pattern.match(line)) and match[1] in names]


def seed(pool, workers):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sessions = [
        {"sid": sid, "pid": worker.pid, "sock": "", "version": "1", "created_at": now}
        for sid, worker in workers.items()
    ]
    with open(os.path.join(pool, "registry.json"), "w") as registry:
        json.dump({"sessions": sessions}, registry)


def check_status(binary, pool, trace, workers):
    server = TracedServer(binary, pool, trace)
    for name in ("first", "second", "third"):
        answer = server.call(name, "pool_status", {})
        assert len(answer["sessions"]) == len(workers), answer
    calls = server.close()
    for name in ("second", "third"):
        seen = during(calls, name)
        # An answer may speak of the pool, but goes to the client.
        in_pool = [line for line in seen if pool in line and "<pipe:" not in line]
        writes = named(in_pool, WRITES)
        opens = [
            line for line in named(in_pool, OPENS) if re.search(r"O_(WRONLY|CREAT|TRUNC)", line)
        ]
        check(f"the {name} status writes nothing in the pool", not writes, writes)
        check(f"the {name} status makes no file in the pool", not opens, opens)
        # The lock file may be opened for writing, as locks over NFS need it; nothing else.
        opens = [
            line for line in named(in_pool, OPENS)
            if "O_RDWR" in line and '"registry.lock"' not in line
        ]
        check(f"the {name} status opens nothing in the pool for writing", not opens, opens)
        syncs = named(seen, SYNCS)
        check(f"the {name} status waits for no disk", not syncs, syncs)
        locks = named(seen, {"flock"})
        check(f"the {name} status was seen at all: it locks", locks, locks)
    check("no status leaves an audit trail", not os.path.exists(os.path.join(pool, "audit.jsonl")), [])
    programs = named(calls, {"execve", "execveat"})[1:]
    check("the server starts no other program", not programs, programs)


def check_stop(binary, pool, trace, workers):
    server = TracedServer(binary, pool, trace)
    answer = server.call("stop", "pool_stop", {"grace_ms": 300, "force": True})
    outcomes = {one["sid"]: one["outcome"] for one in answer["outcomes"]}
    calls = server.close()
    check("the obedient exit", outcomes["a"] == outcomes["b"] == "exited", [outcomes])
    check("the deaf is killed", outcomes["deaf"] == "killed", [outcomes])
    # strace also shows the signals that the server gets; those are no calls.
    bare = named(calls, BARE_SIGNALS)
    check("no signal goes to a bare pid", not bare, bare)
    sent = named(during(calls, "stop"), {"pidfd_send_signal"})
    for name, times in (("SIGTERM", 3), ("SIGKILL", 1)):
        these = [line for line in sent if name in line]
        check(f"{name} goes through {times} pidfds", len(these) == times, sent)
    appends = re.compile(r'write\(\d+<[^>]*/audit\.jsonl>, "\{.*"event\\":\\"signal')
    # A worker can end between the record and the signal: then the record behind says so, and
    # nothing need be sent.
    steps = "".join(
        "s" if "pidfd_send_signal(" in line else "e" if ENDED in line else "a"
        for line in during(calls, "stop")
        if "pidfd_send_signal(" in line or appends.search(line)
    )
    check(
        "a record is before and behind each signal",
        re.fullmatch("(asa|as?e){4,}", steps),
        [steps],
    )


def check_grants(binary, root, pool, workers):
    """Lets policies that may not signal try it, and then lets them."""
    signals = BARE_SIGNALS | {"pidfd_send_signal"}
    aims = ["--setting", "sid=deaf", "--setting", f"pid={workers['deaf'].pid}"]
    attack = ["--setting", "attack=signal", "--setting", "pass-on=yes", *aims]
    tries = {
        "the shipped policy": (SHIPPED, [], ["stop", "deaf", "--grace", "1ms"]),
        "a hostile policy": (HOSTILE, attack, ["stop", "deaf", "--grace", "1ms"]),
    }
    for name, (policy, settings, verb) in tries.items():
        command = [binary, "--state-dir", pool, "--policy", policy, *settings]
        for grants, granted in [([], False), (["--grant", "signal-term"], True)]:
            trace = os.path.join(root, "grants.trace")
            ran = subprocess.run(
                ["strace", "-f", "-y", "-s", "4096", "-o", trace, *command, *grants, *verb],
                env={"HOME": root}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            with open(trace) as lines:
                calls = lines.read().splitlines()
            sent = named(calls, signals)
            if granted:
                # So that the silence of the others means something.
                check(f"{name} with the grant is seen to signal", sent, sent)
                continue
            check(f"{name} without the grant sends no signal", not sent, sent)
            check(f"{name} is denied", ran.returncode == 7 and not ran.stdout, [ran])
            for word in ("`signal-term`", "--grant signal-term", "poolwarden.toml"):
                check(f"{name} learns of {word}", word in ran.stderr, [ran.stderr])
            look = named(calls, {"pidfd_open"})
            check(f"{name} was seen at all: it looks at the worker", look, look)


def check_replay(binary, root, pool, workers):
    """Replays a recorded stop whose pids are those of living processes."""
    recordings = os.path.join(root, "recordings")
    command = [binary, "--state-dir", pool, "--record", recordings]
    stop = ["stop", "deaf", "--grace", "1ms"]
    subprocess.run([*command, *stop], env={"HOME": pool}, stdout=subprocess.DEVNULL)
    trace = os.path.join(root, "replay.trace")
    replay = [binary, "--state-dir", pool, "policy", "replay", "shipped", recordings]
    ran = subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-o", trace, *replay],
        env={"HOME": pool}, stdout=subprocess.PIPE, text=True,
    )
    report = json.loads(ran.stdout)
    check("the stop is replayed", report["requests"] == 1 and ran.returncode == 0, [report])
    with open(trace) as lines:
        calls = lines.read().splitlines()
    touched = named(calls, BARE_SIGNALS | {"pidfd_open", "pidfd_send_signal", "flock"})
    check("a replay touches no process and no lock", not touched, touched)
    seen = [
        line for line in calls
        # The recording itself speaks of the pool.
        if f'"{pool}' in line and not re.search(r"\b(execve|read)\b", line)
        or any(f"/proc/{worker.pid}" in line for worker in workers.values())
    ]
    check("a replay looks at no pool and no process", not seen, seen)
    opens = [line for line in named(calls, OPENS) if recordings in line]
    check("a replay was seen at all: it reads the recording", opens, opens)
    writing = [line for line in opens if re.search(r"O_(RDWR|WRONLY|CREAT)", line)]
    check("a replay leaves the recording alone", not writing, writing)


def check_effort(binary, root):
    """Stops many workers, most of which end while the others are still to be signalled."""
    count = 100
    workers = {f"w{i}": subprocess.Popen(["sleep", "600"]) for i in range(count)}
    try:
        pool = os.path.join(root, "many")
        os.mkdir(pool, 0o700)
        seed(pool, workers)
        server = TracedServer(binary, pool, os.path.join(root, "many.trace"))
        answer = server.call("stop", "pool_stop", {"grace_ms": 60000})
        calls = server.close()
        check("all are stopped", len(answer["stopped"]) == count, [answer["errors"]])
        polls = named(during(calls, "stop"), {"poll", "ppoll"})
        # Five or so each: around every look at a process, and the wait.
        check("a stop asks about each worker a few times", len(polls) < 12 * count, [len(polls)])
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()


def main(binary):
    workers = {}
    try:
        workers["a"] = subprocess.Popen(["sleep", "600"])
        workers["b"] = subprocess.Popen(["sleep", "600"])
        # A group of its own, so that its own child ends with it.
        workers["deaf"] = subprocess.Popen(
            ["sh", "-c", DEAF], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert workers["deaf"].stdout.readline() == "deaf\n"
        with tempfile.TemporaryDirectory(prefix="poolwarden-strace-") as root:
            pool = os.path.join(root, "pool")
            os.mkdir(pool, 0o700)
            seed(pool, workers)
            check_status(binary, pool, os.path.join(root, "status.trace"), workers)
            check_replay(binary, root, pool, workers)
            check_grants(binary, root, pool, workers)
            check_stop(binary, pool, os.path.join(root, "stop.trace"), workers)
            check_effort(binary, root)
    finally:
        for sid, worker in workers.items():
            if sid == "deaf":
                try:
                    os.killpg(worker.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            worker.kill()
            worker.wait()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
