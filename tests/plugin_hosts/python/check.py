"""Runs policies in this folder's host, against real processes.

    check.py SHIPPED.wasm HOSTILE.wasm

The first is the policy that poolwarden ships, the second a policy that tries to break the
host's rules. Ends with `N passed, M failed`, and with 1 when one failed.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import wasmtime

import files
from host import Failure, Host

SHIPPED, HOSTILE = sys.argv[1:3]
GRANTS = ("registry-write", "dismiss", "term", "kill")
NO_PROCESS = 2**31 - 1  # no kernel gives out a pid this large
OBEYS = ["sleep", "600"]
# Says when it ignores SIGTERM: before, a signal would end it.
IGNORES_TERM = ["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"]


class PoolTest(unittest.TestCase):
    """A pool in a directory of its own, and workers that end with the test."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="poolwarden-python-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.host = Host(SHIPPED, self.directory, grants=GRANTS)

    def worker(self, command=OBEYS):
        """A process that runs for as long as the test."""
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(worker.stdout.close)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)
        if command is IGNORES_TERM:
            worker.stdout.readline()
        return worker

    def registered(self, sid, command=OBEYS):
        """A worker that the policy registered."""
        worker = self.worker(command)
        self.host.register(sid, worker.pid)
        return worker

    def assert_untouched(self, worker):
        """Nobody has sent the worker a signal. This ends it.

        A pending signal may not have shown yet. Of two that are pending, the kernel
        delivers the one with the lower number first, and SIGPROF comes after the others.
        """
        worker.send_signal(signal.SIGPROF)
        self.assertEqual(worker.wait(), -signal.SIGPROF)

    def path(self, name="registry.json"):
        return os.path.join(self.directory, name)

    def write(self, registry):
        with open(self.path(), "wb") as file:
            file.write(registry)

    def write_entries(self, *entries):
        self.write(b'{"sessions":[%s]}' % ",".join(entries).encode())

    def read(self):
        with open(self.path(), "rb") as file:
            return file.read()

    def sids(self):
        return [entry["sid"] for entry in json.loads(self.read())["sessions"]]

    @contextlib.contextmanager
    def unchanged(self):
        """The registry is the same file with the same bytes afterwards."""
        before = os.stat(self.path()).st_ino, self.read()
        yield
        self.assertEqual((os.stat(self.path()).st_ino, self.read()), before)

    def fails(self, kind, call, *arguments, **options):
        """The text of the failure that a call ends in."""
        with self.assertRaises(Failure) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.kind, kind, raised.exception)
        return str(raised.exception)


def now(ago=0):
    """A time as the registry writes it, some seconds ago."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))


def entry(sid, pid, created_at=None, sock="", more=""):
    """The text of an entry."""
    known = {
        "sid": sid,
        "pid": pid,
        "sock": sock,
        "version": "1",
        "created_at": created_at or now(),
    }
    return json.dumps(known)[:-1] + more + "}"


class Life(PoolTest):
    """The verbs of the shipped policy."""

    def test_it_describes_itself(self):
        self.assertEqual(self.host.describe()["name"], "default")

    def test_an_absent_registry_is_an_empty_pool(self):
        self.assertEqual(json.loads(self.host.ensure())["sessions"], [])
        self.assertFalse(os.path.exists(self.path()))

    def test_a_worker_is_registered_listed_and_collected_after_its_death(self):
        worker = self.worker()
        registered = json.loads(self.host.register("a", worker.pid, version="7"))["registered"]
        self.assertEqual(
            (registered["sid"], registered["pid"], registered["version"]), ("a", worker.pid, "7")
        )
        [session] = json.loads(self.host.status("a"))["sessions"]
        self.assertEqual((session["pid"], session["status"]), (worker.pid, "running"))

        worker.kill()
        # Seen as ended before it is reaped, and as gone after.
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        [foreseen] = json.loads(self.host.ensure(dry_run=True))["removed"]
        self.assertEqual(foreseen["standing"], "exited")
        self.assertEqual(self.sids(), ["a"])
        worker.wait()
        [removed] = json.loads(self.host.ensure())["removed"]
        self.assertEqual((removed["sid"], removed["standing"]), ("a", "gone"))
        self.assertEqual(self.sids(), [])

    def test_a_sid_is_taken_while_its_worker_lives(self):
        self.registered("a")
        other = self.worker()
        self.assertIn("is taken", self.fails("rejected", self.host.register, "a", other.pid))

    def test_no_process_is_not_registered(self):
        self.assertIn("gone", self.fails("rejected", self.host.register, "a", NO_PROCESS))
        self.assertFalse(os.path.exists(self.path()))

    def test_stop_ends_one_worker_and_no_other(self):
        worker, other = self.registered("a"), self.registered("b")
        self.assertEqual(json.loads(self.host.stop("a"))["stopped"], ["a"])
        self.assertEqual(worker.wait(), -signal.SIGTERM)
        self.assert_untouched(other)
        self.assertEqual(self.sids(), ["b"])

    def test_a_dry_run_stops_nobody(self):
        worker = self.registered("a")
        with self.unchanged():
            [outcome] = json.loads(self.host.stop(dry_run=True))["outcomes"]
        self.assertEqual(outcome["outcome"], "would-signal")
        self.assert_untouched(worker)

    def test_one_that_does_not_go_is_kept_until_it_is_killed(self):
        worker = self.registered("a", IGNORES_TERM)
        with self.unchanged():
            [outcome] = json.loads(self.host.stop("a", grace=50))["outcomes"]
        self.assertEqual(outcome["outcome"], "still-running")
        [outcome] = json.loads(self.host.stop("a", grace=50, force=True))["outcomes"]
        self.assertEqual(outcome["outcome"], "killed")
        self.assertEqual(worker.wait(), -signal.SIGKILL)
        self.assertEqual(self.sids(), [])

    def test_forget_drops_the_entry_and_leaves_the_process(self):
        worker = self.registered("a")
        with self.unchanged():
            self.assertIn("alive", self.fails("rejected", self.host.forget, "a"))
        [forgotten] = json.loads(self.host.forget("a", even_if_alive=True))["forgotten"]
        self.assertEqual(forgotten["pid"], worker.pid)
        self.assert_untouched(worker)
        self.assertEqual(self.sids(), [])


class Registry(PoolTest):
    """What happens to the file."""

    def test_what_nobody_knows_is_kept_to_the_byte(self):
        alive = entry(
            "a", self.worker().pid, more=', "x": [1e999, 1.0, {"y": "\\u00e4\\/"}], "x": 2'
        )
        dead = entry("b", NO_PROCESS)
        text = (
            '{ "format" : 123456789012345678901234567890,\n "sessions": [ %s\n, %s ]\t,"z":null}\n'
        )
        self.write((text % (alive, dead)).encode())
        self.host.ensure()
        self.assertEqual(self.read().decode(), text.replace("\n, %s", "") % alive)

    def test_it_is_not_touched_when_nothing_changes(self):
        self.registered("a")
        with self.unchanged():
            self.host.ensure()
            self.host.status()
            self.host.stop("somebody else")

    def test_one_that_cannot_be_read_is_an_error_and_stays(self):
        self.write(b'{"sessions": [\n{"sid": 7}]}')
        for call in (self.host.ensure, self.host.status, self.host.stop):
            with self.unchanged():
                self.assertTrue(self.fails("corrupted", call).startswith("line 2, column "))

    def test_it_waits_for_the_lock_and_says_when_it_is_not_free(self):
        self.registered("a")
        wait, files.LOCK_WAIT = files.LOCK_WAIT, 0.05
        try:
            with open(self.path("registry.lock"), "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with self.assertRaises(Failure) as raised:
                    self.host.ensure()
            self.assertEqual(raised.exception.case, "busy")
        finally:
            files.LOCK_WAIT = wait
        self.host.ensure()

    def test_a_pool_that_others_can_write_is_refused(self):
        os.chmod(self.directory, 0o777)
        with self.assertRaises(ValueError):
            Host(SHIPPED, self.directory)


class Proof(PoolTest):
    """Who is signalled, and who is not."""

    def test_a_process_that_is_younger_than_its_entry_is_somebody_else(self):
        stranger = self.worker()
        self.write_entries(entry("a", stranger.pid, now(ago=3600)))
        self.assertEqual(json.loads(self.host.stop())["outcomes"][0]["outcome"], "already-dead")
        self.assert_untouched(stranger)
        self.assertEqual(self.sids(), [])

    def test_who_is_not_proven_is_kept_and_not_signalled(self):
        stranger = self.worker()
        self.write_entries(
            entry("a", stranger.pid, "yesterday"),
            entry("b", stranger.pid, now(ago=-3600)),
            entry("c", 1),
        )
        with self.unchanged():
            sessions = json.loads(self.host.ensure())["sessions"]
            outcomes = json.loads(self.host.stop())["outcomes"]
        self.assertEqual([session["status"] for session in sessions], ["unproven"] * 3)
        self.assertEqual([outcome["outcome"] for outcome in outcomes], ["refused"] * 3)
        self.assert_untouched(stranger)

    def test_an_entry_whose_socket_is_served_is_kept(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path("a.sock"))
            server.listen()
            self.write_entries(entry("a", NO_PROCESS, sock=self.path("a.sock")))
            with self.unchanged():
                [session] = json.loads(self.host.ensure())["sessions"]
            self.assertEqual(session["status"], "foreign")
        self.assertEqual(json.loads(self.host.ensure())["removed"][0]["standing"], "gone")

    def test_this_program_is_never_signalled(self):
        # Registered by hand: it started before now, so that the proof holds.
        self.write_entries(entry("a", os.getpid()))
        with self.unchanged():
            [outcome] = json.loads(self.host.stop())["outcomes"]
        self.assertEqual(outcome["outcome"], "refused")
        self.assertIn("this program", outcome["evidence"])


class Floor(PoolTest):
    """Policies that are not granted what they try, or that nobody may do."""

    def test_without_its_grant_nothing_is_signalled_or_written(self):
        worker = self.registered("a")
        self.host.grants = frozenset()
        with self.unchanged():
            self.assertIn("signal TERM", self.fails("host", self.host.stop))
        self.assert_untouched(worker)
        with self.unchanged():
            self.assertIn("registry-write", self.fails("host", self.host.ensure))

    def attack(self, name, ask=Host.ensure, grants=GRANTS, **settings):
        """What the host said to a policy that tried this when it was asked that."""
        settings = {key.replace("_", "-"): str(value) for key, value in settings.items()}
        settings["attack"] = name
        hostile = Host(HOSTILE, self.directory, grants=grants, settings=settings)
        return json.loads(ask(hostile))["said"]

    def test_no_entry_is_lost_forged_or_changed(self):
        self.registered("a")
        kept = self.read().decode()
        forged = kept.replace("]}", "," + entry("b", os.getpid()) + "]}")
        for registry in ('{"sessions":[]}', kept.replace('"a"', '"b"'), forged, "{}", ""):
            with self.unchanged():
                self.assertTrue(
                    self.attack("replace", **{"with": registry}).startswith("refused: "), registry
                )

    def test_what_is_not_known_stays_byte_for_byte(self):
        self.write_entries(entry("a", self.worker().pid)[:-1] + ',"note":1.50}')
        kept = self.read().decode()[:-1] + ',"other": [1]}'
        self.write(kept.encode())
        wiped = kept.replace(',"note":1.50', ""), kept.replace(',"other": [1]', "")
        for registry in (*wiped, kept.replace("1.50", "1.5"), kept.replace(": [1]", ":[1]")):
            with self.unchanged():
                self.assertIn("byte for byte", self.attack("replace", **{"with": registry}))
        self.assertEqual(self.attack("replace", **{"with": kept}), "done")

    def test_a_request_signals_only_what_it_comprises(self):
        worker, other = self.registered("a", IGNORES_TERM), self.registered("b")
        aims = {"sid": "a", "pid": worker.pid}
        self.assertIn("signals nobody", self.attack("signal", Host.status, **aims))
        ungranted = [grant for grant in GRANTS if grant != "dismiss"]
        self.assertIn("`dismiss`", self.attack("signal", grants=ungranted, **aims))
        stop_b, stop_a = (lambda host: host.stop("b")), (lambda host: host.stop("a"))
        self.assertIn("not 'a'", self.attack("signal", stop_b, **aims))
        self.assertIn("KILL", self.attack("signal", stop_a, signal="KILL", **aims))
        rest = '{"sessions":[%s]}' % entry("b", other.pid)
        said = self.attack("signal-then-replace", stop_a, **aims, **{"with": rest})
        self.assertIn("not proven dead", said)
        self.assert_untouched(worker)
        self.assert_untouched(other)

    def test_only_a_registered_process_is_signalled(self):
        worker, stranger = self.registered("a"), self.worker()
        for sid, pid in (("a", stranger.pid), ("b", worker.pid), ("b", stranger.pid)):
            self.assertTrue(self.attack("signal", sid=sid, pid=pid).startswith("refused: "))
        self.assertTrue(
            self.attack("signal", sid="a", pid=worker.pid, signal="USR1").startswith("denied: ")
        )
        self.assertEqual(self.attack("signal", sid="a", pid=worker.pid), "done")
        # Only the last of them was sent anything.
        self.assertEqual(worker.wait(), -signal.SIGTERM)
        self.assert_untouched(stranger)

    def test_the_lock_is_taken_once_and_nobody_is_waited_for_inside(self):
        worker = self.registered("a")
        self.assertTrue(self.attack("begin-twice").startswith("misuse: "))
        self.assertTrue(self.attack("wait-inside", sid="a", pid=worker.pid).startswith("misuse: "))

    def test_the_lock_is_free_after_a_policy_fails(self):
        worker = self.registered("a")
        self.assertEqual(self.attack("leak-transaction"), "leaked")
        self.host.status()
        for attack in ("trap-after-signal", "loop", "memory"):
            with self.assertRaises(wasmtime.WasmtimeError):
                self.attack(attack, sid="a", pid=worker.pid)
            self.host.status()


def main():
    """Runs all tests; unittest's own last line does not count them."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed or result.testsRun == 0 else 0)


if __name__ == "__main__":
    main()
