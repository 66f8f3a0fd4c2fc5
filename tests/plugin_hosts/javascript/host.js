// Runs a poolwarden policy in Node.js, from what `jco transpile --instantiation` made of it.
//
//     const policy = await load("transpiled/policy");
//     const host = new Host(policy, "/path/to/pool", { grants: ["registry-write", "term"] });
//     console.log(await host.status());
//
// Each request runs in a fresh instance, with imports of its own: nothing of a policy
// outlives its answer.

import fs from "node:fs";
import { pathToFileURL } from "node:url";

import { Pool } from "./files.js";
import { lend } from "./imports.js";

// How long a killed worker is waited for, beyond the grace period, in milliseconds.
const KILL_CONFIRMATION = 2000;

/** Loads the transpiled component whose JavaScript is at `${stem}.js`. */
export async function load(stem) {
  const { instantiate } = await import(pathToFileURL(`${stem}.js`));
  const modules = new Map();
  // Compiled once, instantiated for every request.
  const module = (name) => {
    if (!modules.has(name)) {
      modules.set(name, WebAssembly.compile(fs.readFileSync(new URL(name, pathToFileURL(stem)))));
    }
    return modules.get(name);
  };
  return (imports) => instantiate(module, imports);
}

/**
 * Why a request has no answer: the WIT variant `failure`. `kind` is host, corrupted or
 * rejected; where it is host, `tag` is the case of the host's error.
 */
export class Failure extends Error {
  constructor({ tag: kind, val }) {
    super(Failure.text(kind, val));
    this.kind = kind;
    this.tag = kind === "host" ? val.tag : undefined;
  }

  static text(kind, val) {
    if (kind === "host") return val.val;
    if (kind === "rejected") return val;
    return `line ${val.line}, column ${val.column}: ${val.detail}`;
  }
}

/** A policy over a pool. The answers are JSON text; what fails is a `Failure`. */
export class Host {
  /** `grants` are `registry-write`, `dismiss` and names of signals, like `term`. */
  constructor(
    policy,
    directory,
    { grants = [], settings = {}, log = console.error, lockWait } = {},
  ) {
    this.policy = policy;
    this.pool = new Pool(directory, lockWait);
    this.grants = new Set(grants);
    this.settings = settings;
    this.log = log;
  }

  /** What the policy says about itself. */
  describe() {
    return this.#call({ verb: "describe" });
  }

  /** Collects the dead and lists who is left. */
  ensure({ dryRun = false } = {}) {
    return this.#call({ verb: "ensure", dryRun }, dryRun);
  }

  /** Lists one session or all. */
  status(sid) {
    return this.#call({ verb: "status", sid }, sid);
  }

  /** Stops one session or all. `grace` is in milliseconds. */
  stop({ sid, grace = 2000, force = false, dryRun = false } = {}) {
    const options = { sid, signal: "term", group: false, grace: BigInt(grace), force, dryRun };
    const wait = grace + (force ? KILL_CONFIRMATION : 0);
    return this.#call({ verb: "stop", sid, dryRun, wait, force }, options);
  }

  /** Adds an entry for a process that runs. */
  register({ sid, pid, sock = "", version = "" }) {
    return this.#call({ verb: "register", sid, pid, sock }, { sid, pid, sock, version });
  }

  /** Drops an entry without touching its process. */
  forget(sid, { evenIfAlive = false } = {}) {
    return this.#call({ verb: "forget", sid, evenIfAlive }, sid, evenIfAlive);
  }

  /** Calls the export that the request is named after. */
  async #call(request, ...values) {
    const { imports, close } = lend(this, request);
    try {
      const { pool } = await this.policy(imports);
      return pool[request.verb](...values);
    } catch (error) {
      throw error.payload === undefined ? error : new Failure(error.payload);
    } finally {
      close();
    }
  }
}
