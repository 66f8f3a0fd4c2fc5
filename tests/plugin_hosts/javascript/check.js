// Runs policies in this folder's host, against real processes.
//
//     node check.js SHIPPED HOSTILE
//
// Each is a transpiled component, named without its `.js`: the policy that poolwarden ships,
// and one that tries to break the host's rules.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";

import { Failure, Host, load } from "./host.js";

const [shipped, hostile] = await Promise.all(process.argv.slice(2).map((stem) => load(stem)));
const GRANTS = ["registry-write", "dismiss", "term", "kill"];
const NO_PROCESS = 2 ** 31 - 1; // no kernel gives out a pid this large
const OBEYS = "exec sleep 600";
// Says when it ignores SIGTERM: before, a signal would end it.
const IGNORES_TERM = "trap '' TERM; echo ready; exec sleep 600";

/** A pool in a directory of its own, and workers that end with the test. */
class TestPool {
  constructor(t) {
    this.t = t;
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), "poolwarden-javascript-"));
    t.after(() => fs.rmSync(this.directory, { recursive: true }));
    this.host = this.embed(shipped);
  }

  embed(policy, options = {}) {
    return new Host(policy, this.directory, { grants: GRANTS, log: () => {}, ...options });
  }

  /** A process that runs for as long as the test. */
  async worker(script = OBEYS) {
    const worker = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
    worker.ended = once(worker, "exit");
    this.t.after(() => {
      worker.kill("SIGKILL");
      return worker.ended;
    });
    await (script === IGNORES_TERM ? once(worker.stdout, "data") : once(worker, "spawn"));
    return worker;
  }

  /** A worker that the policy registered. */
  async registered(sid, script) {
    const worker = await this.worker(script);
    await this.host.register({ sid, pid: worker.pid });
    return worker;
  }

  file(name = "registry.json") {
    return path.join(this.directory, name);
  }

  read() {
    return fs.readFileSync(this.file(), "utf8");
  }

  write(...entries) {
    fs.writeFileSync(this.file(), `{"sessions":[${entries.join()}]}`);
  }

  sids() {
    return JSON.parse(this.read()).sessions.map(({ sid }) => sid);
  }

  /** The registry is the same file with the same bytes after the work. */
  async unchanged(work) {
    const state = () => [fs.statSync(this.file()).ino, this.read()];
    const before = state();
    await work();
    assert.deepEqual(state(), before);
  }

  /** What the host said to a policy that tried this when it was asked that. */
  async attack(attack, settings = {}, ask = (host) => host.ensure(), grants = GRANTS) {
    const host = this.embed(hostile, { settings: { attack, ...settings }, grants });
    return JSON.parse(await ask(host)).said;
  }
}

/** A test with a pool. */
const check = (name, body) => test(name, (t) => body(new TestPool(t)));

/**
 * Nobody has sent the worker a signal. This ends it.
 *
 * A pending signal may not have shown yet. Of two that are pending, the kernel delivers the one
 * with the lower number first, and SIGPROF comes after the others.
 */
async function assertUntouched(worker) {
  worker.kill("SIGPROF");
  assert.deepEqual(await worker.ended, [null, "SIGPROF"]);
}

/** A time as the registry writes it, some seconds ago. */
const now = (ago = 0) => `${new Date(Date.now() - ago * 1000).toISOString().slice(0, 19)}Z`;

/** The text of an entry. */
function entry(sid, pid, { createdAt = now(), sock = "", more = "" } = {}) {
  const known = JSON.stringify({ sid, pid, sock, version: "1", created_at: createdAt });
  return `${known.slice(0, -1)}${more}}`;
}

/** The failure that a call ends in has to be of this kind, and its text like that. */
const fails = (kind, text, call) =>
  assert.rejects(call, (failure) => {
    assert.ok(failure instanceof Failure, failure);
    assert.equal(failure.kind, kind);
    assert.match(failure.message, text);
    return true;
  });

describe("the verbs of the shipped policy", () => {
  check("it describes itself", async (pool) => {
    assert.equal((await pool.host.describe()).name, "default");
  });

  check("an absent registry is an empty pool", async (pool) => {
    assert.deepEqual(JSON.parse(await pool.host.ensure()).sessions, []);
    assert.ok(!fs.existsSync(pool.file()));
  });

  check("a worker is registered, listed, and collected after its death", async (pool) => {
    const worker = await pool.worker();
    const answer = await pool.host.register({ sid: "a", pid: worker.pid, version: "7" });
    const { sid, pid, version } = JSON.parse(answer).registered;
    assert.deepEqual([sid, pid, version], ["a", worker.pid, "7"]);
    const [session] = JSON.parse(await pool.host.status("a")).sessions;
    assert.deepEqual([session.pid, session.status], [worker.pid, "running"]);

    worker.kill("SIGKILL");
    await worker.ended;
    const foreseen = JSON.parse(await pool.host.ensure({ dryRun: true })).removed;
    assert.deepEqual(pool.sids(), ["a"]);
    const { removed } = JSON.parse(await pool.host.ensure());
    assert.deepEqual([removed[0].sid, removed[0].standing], ["a", "gone"]);
    assert.deepEqual(foreseen, removed);
    assert.deepEqual(pool.sids(), []);
  });

  check("a sid is taken while its worker lives", async (pool) => {
    await pool.registered("a");
    const { pid } = await pool.worker();
    await fails("rejected", /is taken/, () => pool.host.register({ sid: "a", pid }));
  });

  check("no process is not registered", async (pool) => {
    await fails("rejected", /gone/, () => pool.host.register({ sid: "a", pid: NO_PROCESS }));
    assert.ok(!fs.existsSync(pool.file()));
  });

  check("stop ends one worker and no other", async (pool) => {
    const [worker, other] = [await pool.registered("a"), await pool.registered("b")];
    assert.deepEqual(JSON.parse(await pool.host.stop({ sid: "a" })).stopped, ["a"]);
    assert.deepEqual(await worker.ended, [null, "SIGTERM"]);
    await assertUntouched(other);
    assert.deepEqual(pool.sids(), ["b"]);
  });

  check("a dry run stops nobody", async (pool) => {
    const worker = await pool.registered("a");
    await pool.unchanged(async () => {
      const { outcomes } = JSON.parse(await pool.host.stop({ dryRun: true }));
      assert.equal(outcomes[0].outcome, "would-signal");
    });
    await assertUntouched(worker);
  });

  check("one that does not go is kept until it is killed", async (pool) => {
    const worker = await pool.registered("a", IGNORES_TERM);
    await pool.unchanged(async () => {
      const { outcomes } = JSON.parse(await pool.host.stop({ sid: "a", grace: 50 }));
      assert.equal(outcomes[0].outcome, "still-running");
    });
    const { outcomes } = JSON.parse(await pool.host.stop({ sid: "a", grace: 50, force: true }));
    assert.equal(outcomes[0].outcome, "killed");
    assert.deepEqual(await worker.ended, [null, "SIGKILL"]);
    assert.deepEqual(pool.sids(), []);
  });

  check("forget drops the entry and leaves the process", async (pool) => {
    const worker = await pool.registered("a");
    await pool.unchanged(() => fails("rejected", /alive/, () => pool.host.forget("a")));
    const { forgotten } = JSON.parse(await pool.host.forget("a", { evenIfAlive: true }));
    assert.equal(forgotten[0].pid, worker.pid);
    await assertUntouched(worker);
    assert.deepEqual(pool.sids(), []);
  });
});

describe("the registry's file", () => {
  check("what nobody knows is kept to the byte", async (pool) => {
    const more = String.raw`, "x": [1e999, 1.0, {"y": "\u00e4\/"}], "x": 2`;
    const alive = entry("a", (await pool.worker()).pid, { more });
    const registry = (sessions) =>
      `{ "format" : 123456789012345678901234567890,\n "sessions": [ ${sessions} ]\t,"z":null}\n`;
    fs.writeFileSync(pool.file(), registry(`${alive}\n, ${entry("b", NO_PROCESS)}`));
    await pool.host.ensure();
    assert.equal(pool.read(), registry(alive));
  });

  check("it is not touched when nothing changes", async (pool) => {
    await pool.registered("a");
    await pool.unchanged(async () => {
      await pool.host.ensure();
      await pool.host.status();
      await pool.host.stop({ sid: "somebody else" });
    });
  });

  check("one that cannot be read is an error and stays", async (pool) => {
    fs.writeFileSync(pool.file(), '{"sessions": [\n{"sid": 7}]}');
    for (const verb of ["ensure", "status", "stop"]) {
      await pool.unchanged(() => fails("corrupted", /^line 2, column /, () => pool.host[verb]()));
    }
  });

  check("it waits for the lock and says when it is not free", async (pool) => {
    await pool.registered("a");
    const holder = spawn("flock", [pool.file("registry.lock"), "sh", "-c", "echo held; exec cat"]);
    const released = once(holder, "exit");
    pool.t.after(() => holder.stdin.end());
    await once(holder.stdout, "data");
    const impatient = pool.embed(shipped, { lockWait: 0.05 });
    await assert.rejects(impatient.ensure(), { kind: "host", tag: "busy" });
    // The end of its input ends cat, and with it flock.
    holder.stdin.end();
    await released;
    await pool.host.ensure();
  });

  check("a pool that others can write is refused", (pool) => {
    fs.chmodSync(pool.directory, 0o777);
    assert.throws(() => pool.embed(shipped), /only this user can write/);
  });
});

describe("who is signalled, and who is not", () => {
  check("a process that is younger than its entry is somebody else", async (pool) => {
    const stranger = await pool.worker();
    pool.write(entry("a", stranger.pid, { createdAt: now(3600) }));
    const { outcomes } = JSON.parse(await pool.host.stop());
    assert.equal(outcomes[0].outcome, "already-dead");
    await assertUntouched(stranger);
    assert.deepEqual(pool.sids(), []);
  });

  check("who is not proven is kept and not signalled", async (pool) => {
    const stranger = await pool.worker();
    const { pid } = stranger;
    pool.write(
      entry("a", pid, { createdAt: "yesterday" }),
      entry("b", pid, { createdAt: now(-3600) }),
      entry("c", 1),
    );
    await pool.unchanged(async () => {
      const { sessions } = JSON.parse(await pool.host.ensure());
      assert.deepEqual(
        sessions.map(({ status }) => status),
        Array(3).fill("unproven"),
      );
      const { outcomes } = JSON.parse(await pool.host.stop());
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        Array(3).fill("refused"),
      );
    });
    await assertUntouched(stranger);
  });

  check("an entry whose socket is served is kept", async (pool) => {
    const sock = pool.file("a.sock");
    const server = net.createServer().listen(sock);
    await once(server, "listening");
    pool.write(entry("a", NO_PROCESS, { sock }));
    await pool.unchanged(async () => {
      assert.equal(JSON.parse(await pool.host.ensure()).sessions[0].status, "foreign");
    });
    server.close();
    await once(server, "close");
    assert.equal(JSON.parse(await pool.host.ensure()).removed[0].standing, "gone");
  });

  check("this program is never signalled", async (pool) => {
    // Registered by hand: it started before now, so that the proof holds.
    pool.write(entry("a", process.pid));
    await pool.unchanged(async () => {
      const { outcomes } = JSON.parse(await pool.host.stop());
      assert.equal(outcomes[0].outcome, "refused");
      assert.match(outcomes[0].evidence, /this program/);
    });
  });
});

describe("policies without a grant, and policies that try what nobody may", () => {
  check("without its grant nothing is signalled or written", async (pool) => {
    const worker = await pool.registered("a");
    const powerless = pool.embed(shipped, { grants: [] });
    await pool.unchanged(() => fails("host", /signal TERM/, () => powerless.stop()));
    await assertUntouched(worker);
    await pool.unchanged(() => fails("host", /registry-write/, () => powerless.ensure()));
  });

  check("no entry is lost, forged or changed", async (pool) => {
    await pool.registered("a");
    const kept = pool.read();
    const forged = kept.replace("]}", `,${entry("b", process.pid)}]}`);
    const renamed = kept.replace('"a"', '"b"');
    for (const registry of ['{"sessions":[]}', renamed, forged, "{}", ""]) {
      await pool.unchanged(async () => {
        assert.match(await pool.attack("replace", { with: registry }), /^refused: /);
      });
    }
  });

  check("what is not known stays byte for byte", async (pool) => {
    pool.write(entry("a", (await pool.worker()).pid, { more: ',"note":1.50' }));
    const kept = `${pool.read().slice(0, -1)},"other": [1]}`;
    fs.writeFileSync(pool.file(), kept);
    const changed = [
      kept.replace(',"note":1.50', ""),
      kept.replace("1.50", "1.5"),
      kept.replace(',"other": [1]', ""),
      kept.replace(": [1]", ":[1]"),
    ];
    for (const registry of changed) {
      await pool.unchanged(async () => {
        assert.match(await pool.attack("replace", { with: registry }), /byte for byte/);
      });
    }
    assert.equal(await pool.attack("replace", { with: kept }), "done");
  });

  check("a request signals only what it comprises", async (pool) => {
    const [worker, other] = [await pool.registered("a", IGNORES_TERM), await pool.registered("b")];
    const aims = { sid: "a", pid: String(worker.pid) };
    const stop = (sid) => (host) => host.stop({ sid });
    const status = (host) => host.status();
    assert.match(await pool.attack("signal", aims, status), /signals nobody/);
    const ungranted = GRANTS.filter((grant) => grant !== "dismiss");
    assert.match(await pool.attack("signal", aims, undefined, ungranted), /`dismiss`/);
    assert.match(await pool.attack("signal", aims, stop("b")), /not a/);
    assert.match(await pool.attack("signal", { ...aims, signal: "KILL" }, stop("a")), /KILL/);
    const rest = `{"sessions":[${entry("b", other.pid)}]}`;
    const said = await pool.attack("signal-then-replace", { ...aims, with: rest }, stop("a"));
    assert.match(said, /not proven dead/);
    await assertUntouched(worker);
    await assertUntouched(other);
  });

  check("only a registered process is signalled", async (pool) => {
    const [worker, stranger] = [await pool.registered("a"), await pool.worker()];
    const signal = (sid, { pid }, name = "TERM") =>
      pool.attack("signal", { sid, pid: String(pid), signal: name });
    assert.match(await signal("a", stranger), /^refused: /);
    assert.match(await signal("b", worker), /^refused: /);
    assert.match(await signal("b", stranger), /^refused: /);
    assert.match(await signal("a", worker, "USR1"), /^denied: /);
    assert.equal(await signal("a", worker), "done");
    // Only the last of them was sent anything.
    assert.deepEqual(await worker.ended, [null, "SIGTERM"]);
    await assertUntouched(stranger);
  });

  check("the lock is taken once, and nobody is waited for inside", async (pool) => {
    const { pid } = await pool.registered("a");
    assert.match(await pool.attack("begin-twice"), /^misuse: /);
    assert.match(await pool.attack("wait-inside", { sid: "a", pid: String(pid) }), /^misuse: /);
  });

  check("the lock is free after a policy fails", async (pool) => {
    const { pid } = await pool.registered("a");
    assert.equal(await pool.attack("leak-transaction"), "leaked");
    await pool.host.status();
    const trap = pool.attack("trap-after-signal", { sid: "a", pid: String(pid) });
    await assert.rejects(trap, WebAssembly.RuntimeError);
    await pool.host.status();
  });
});
