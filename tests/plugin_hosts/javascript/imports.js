// What a request lends the policy: the functions that the WIT world imports.

import fs from "node:fs";

import { misuse, refused } from "./errors.js";
import * as floor from "./floor.js";
import * as processes from "./processes.js";

/**
 * The imports of one request, as jco takes them, and `close`, which frees the lock however
 * the request ended.
 *
 * A function that throws a HostError answers the policy; one that throws anything else has a
 * mistake in it and ends the request.
 */
export function lend({ pool, grants, settings, log }, request) {
  let transaction;
  let waitLeft = request.wait ?? 0; // milliseconds
  // Which signals each worker got.
  const sent = new Map();

  /** Exclusive hold of the registry. jco disposes of it when the policy drops it. */
  class Transaction {
    constructor() {
      this.lock = pool.lock();
      try {
        this.registry = pool.read();
      } catch (error) {
        this.close();
        throw error;
      }
      try {
        this.claims = floor.readClaims(this.registry);
      } catch {
        // The policy says what is wrong with it. Nobody in it can be signalled.
        this.claims = [];
      }
      this.known = new Set(this.claims.map(floor.key));
      this.dead = new Set();
      this.replaced = false;
    }

    read() {
      return this.registry;
    }

    replace(bytes) {
      floor.checkWrite(grants);
      if (request.dryRun) throw refused("the client asked for a dry run");
      if (this.replaced) {
        throw misuse("the registry was already replaced in this transaction");
      }
      // Read once more, because `claims` is empty when the registry is no registry.
      const [before, after] = [floor.readClaims(this.registry), floor.readClaims(bytes)];
      const isDead = (claim) => this.dead.has(floor.key(claim));
      const added = floor.checkReplace(before, after, request, isDead);
      floor.checkKept(this.registry, bytes, added);
      if (added && processes.look(added.pid).standing !== "alive") {
        throw refused("the process to register was not found running");
      }
      pool.replace(bytes);
      this.replaced = true;
    }

    close() {
      if (this.lock !== undefined) fs.closeSync(this.lock);
      this.lock = undefined;
      transaction = undefined;
    }

    [Symbol.dispose]() {
      this.close();
    }
  }

  function begin() {
    if (transaction !== undefined) throw misuse("this request already holds a transaction");
    transaction = new Transaction();
    return transaction;
  }

  function find(claim) {
    if (transaction === undefined) {
      return { standing: "unknown", evidence: "no transaction is open" };
    }
    if (transaction.known.has(floor.key(claim))) {
      const finding = processes.examine(claim);
      transaction.dead[processes.isDead(finding) ? "add" : "delete"](floor.key(claim));
      return finding;
    }
    const { verb, sid, pid } = request;
    if (verb === "register" && claim.sid === sid && claim.pid === pid) return processes.look(pid);
    return { standing: "unknown", evidence: "the registry has no such entry" };
  }

  function inspect(claims) {
    return claims.map((claim) => {
      const { standing, evidence, started } = find(claim);
      return {
        standing,
        evidence: standing === "alive" ? undefined : evidence,
        started: started === undefined ? undefined : instant(started),
        // It takes a ledger to know this in a later request.
        lastSignal: undefined,
      };
    });
  }

  /** One verified process. It outlives the transaction it was opened in. */
  class Target extends processes.Target {
    send(signal) {
      const key = floor.key(this.claim);
      if (!sent.has(key)) sent.set(key, new Set());
      floor.checkSignal(request, grants, this.claim, signal, sent.get(key));
      this.kill(signal);
      sent.get(key).add(signal);
    }

    sendGroup() {
      throw refused("this host signals no process groups");
    }
  }

  function open({ claims }, sid, pid) {
    const claim = floor.findTarget(claims, sid, pid);
    floor.checkTarget(request, grants, claim);
    return new Target(claim);
  }

  function wait(targets, timeout) {
    if (transaction !== undefined) throw misuse("a worker may need the lock to exit");
    const before = performance.now();
    const ended = processes.awaitEnd(targets, Math.min(Number(timeout), waitLeft));
    waitLeft = Math.max(0, waitLeft - (performance.now() - before));
    return ended;
  }

  return {
    close: () => transaction?.close(),
    imports: {
      "poolwarden:pool/types": {},
      "poolwarden:pool/registry": { begin, Transaction },
      "poolwarden:pool/processes": { inspect },
      "poolwarden:pool/signals": { open, wait, Target },
      "wasi:clocks/wall-clock": { now: () => instant(Date.now()) },
      "wasi:config/store": { get: (name) => settings[name] },
      "wasi:logging/logging": {
        log: (level, context, message) => log(`${level} ${context}: ${message}`),
      },
    },
  };
}

/** A WIT instant from milliseconds since 1970. */
function instant(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.floor((milliseconds - seconds * 1000) * 1e6);
  return { seconds: BigInt(seconds), nanoseconds };
}
