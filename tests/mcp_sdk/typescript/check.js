// Uses `poolwarden mcp` through the official TypeScript SDK for MCP.
//
//     node check.js BINARY LYING_POLICY
//
// No call may throw but where the protocol has an error for it, and nothing may be reported to
// the client's `onerror` or to the console. What the server lists has to compile in Ajv's strict
// mode. A stop of POOLWARDEN_SDK_LONG seconds (90) has to come to its end, because its progress
// keeps the client waiting. Prints a line for each check that fails, and at the end how many
// passed and failed; exits with 1 when one failed.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema, ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";

const [binary, lyingPolicy] = process.argv.slice(2);
const sdk = createRequire(import.meta.url)("./package-lock.json").packages[
  "node_modules/@modelcontextprotocol/sdk"
].version;
const LONG = Number(process.env.POOLWARDEN_SDK_LONG ?? 90) * 1000;
// As the server has it for a call without a progress token.
const WITHOUT_PROGRESS = 50_000;
const NO_PROCESS = 2 ** 31 - 1; // no kernel gives out a pid this large
const DEAF = "process.on('SIGTERM', () => {}); setTimeout(() => {}, 600000); console.log('ready')";

let passed = 0;
let failed = 0;

function check(where, what, holds, seen) {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    process.stdout.write(`failed: typescript ${sdk}, ${where}: ${what}: ${JSON.stringify(seen)}\n`);
  }
}

// Everything that the SDK says on the console is a warning that a user would see.
for (const level of ["log", "info", "warn", "error", "debug"]) {
  console[level] = (...said) => check("console", level, false, said.map(String));
}
process.on("warning", (warning) => check("process", "a warning", false, String(warning)));

// Runs `use` with a pool of a live worker, a deaf one, a dead entry, and one that is unproven.
async function withPool(use) {
  const directory = mkdtempSync(join(tmpdir(), "poolwarden-sdk-"));
  const workers = [
    spawn("sleep", ["600"], { stdio: "ignore" }),
    spawn(process.execPath, ["-e", DEAF], { stdio: ["ignore", "pipe", "ignore"] }),
  ];
  try {
    await once(workers[1].stdout, "data");
    const now = new Date().toISOString();
    const pids = { a: workers[0].pid, deaf: workers[1].pid, dead: NO_PROCESS, init: 1 };
    const sessions = Object.entries(pids).map(([sid, pid]) => {
      return { sid, pid, sock: "", version: "1", created_at: now };
    });
    writeFileSync(join(directory, "registry.json"), JSON.stringify({ sessions }));
    return await use(directory);
  } finally {
    for (const worker of workers) {
      const ended = worker.exitCode !== null || worker.signalCode !== null;
      worker.kill("SIGKILL");
      if (!ended) await once(worker, "exit");
    }
    rmSync(directory, { recursive: true });
  }
}

// Runs `use` with a client of a server on this pool.
async function withClient(where, directory, options, use) {
  const client = new Client({ name: "check", version: "1" });
  client.onerror = (error) => {
    // What it did send is garbage: that it is told so is no mistake of the server.
    const told = options.noise && String(error).includes("for an unknown message ID");
    check(where, "the client reports no error", told, String(error));
  };
  const noise = '{ echo garbage; echo "[]"; cat; } | "$0" "$@"';
  const transport = new StdioClientTransport({
    command: options.noise ? "sh" : binary,
    args: [
      ...(options.noise ? ["-c", noise, binary] : []),
      "--state-dir",
      directory,
      ...(options.arguments ?? []),
      "mcp",
    ],
    env: { POOLWARDEN_LOG: "off", HOME: directory },
    stderr: "ignore",
  });
  await client.connect(transport);
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

// Calls a tool; whether it is an error has to be as expected.
async function call(where, client, name, args, isError = false, options = undefined) {
  const what = `${name} ${JSON.stringify(args)}`;
  try {
    const result = await client.callTool({ name, arguments: args }, undefined, options);
    check(where, `${what}: isError`, (result.isError ?? false) === isError, result);
    if (result.structuredContent !== undefined) {
      const text = sorted(JSON.parse(result.content[0].text));
      check(where, `${what}: the text is the same`, text === sorted(result.structuredContent), result);
    } else {
      check(where, `${what}: an answer has its structure`, isError, result);
    }
    return result.structuredContent ?? {};
  } catch (error) {
    check(where, `${what}: does not throw`, false, String(error));
    return {};
  }
}

// A value as JSON with its keys in order.
function sorted(value) {
  return JSON.stringify(value, (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort())
      : value,
  );
}

// A request that the protocol has to refuse with this code.
async function refused(where, client, params, code) {
  try {
    const result = await client.request({ method: "tools/call", params }, CallToolResultSchema);
    check(where, `${JSON.stringify(params)} is refused`, false, result);
  } catch (error) {
    check(where, `${JSON.stringify(params)} is refused`, error.code === code, String(error));
  }
}

function compiles(where, tools) {
  for (const tool of tools) {
    for (const validator of [Ajv, Ajv2020]) {
      for (const kind of ["inputSchema", "outputSchema"]) {
        try {
          new validator({ strict: true, allErrors: true }).compile(tool[kind]);
          check(where, `${tool.name} ${kind} compiles`, true);
        } catch (error) {
          check(where, `${tool.name} ${kind} compiles`, false, String(error));
        }
      }
    }
  }
}

async function shipped(where, options) {
  await withPool((directory) =>
    withClient(where, directory, options, async (client) => {
      const { tools } = await client.listTools();
      const names = tools.map((tool) => tool.name).sort();
      const wanted = ["pool_ensure", "pool_list", "pool_status", "pool_stop"];
      check(where, "the tools", JSON.stringify(names) === JSON.stringify(wanted), names);
      compiles(where, tools);
      check(where, "instructions", client.getInstructions()?.includes("pool_list"), null);
      const list = await call(where, client, "pool_list", {});
      check(where, "the list has the dead", list.dead?.[0]?.sid === "dead", list);
      await call(where, client, "pool_list", { limit: 1, status: "running", prefix: "a" });
      await call(where, client, "pool_status", {});
      await call(where, client, "pool_status", { sid: "nobody", limit: 3 });
      await call(where, client, "pool_ensure", { dry_run: true });
      await call(where, client, "pool_ensure", {});
      await call(where, client, "pool_stop", { sid: "nobody" });
      await call(where, client, "pool_stop", { dry_run: true });
      await call(where, client, "pool_stop", { sid: "init" }, true);
      await call(where, client, "pool_stop", { sid: null }, true);
      await call(where, client, "pool_stop", { sid: "deaf", grace_ms: 0 });
      await call(where, client, "pool_stop", { sid: "deaf", grace_ms: 50 }, true);
      await call(where, client, "pool_stop", { grace_ms: "soon" }, true);
      await call(where, client, "pool_status", { sid: 5 }, true);
      await call(where, client, "pool_status", { nothing: 5 }, true);
      const { InvalidParams } = ErrorCode;
      await refused(where, client, { name: "pool_nothing" }, InvalidParams);
      await refused(where, client, { name: "pool_status", arguments: "{}" }, InvalidParams);
      await refused(where, client, { name: "pool_status", arguments: [] }, InvalidParams);
      await refused(where, client, { name: "pool_status", arguments: 5 }, InvalidParams);
      await refused(where, client, { arguments: {} }, InvalidParams);
      const all = await call(where, client, "pool_stop", { grace_ms: 2000.0, force: true });
      check(where, "a stop ends all", all.stopped?.length === 2, all);
      writeFileSync(join(directory, "registry.json"), "{");
      await call(where, client, "pool_status", {}, true);
      await client.ping();
    }),
  );
}

async function lying(attack) {
  const where = `the lying policy, ${attack}`;
  const options = { arguments: ["--policy", lyingPolicy, "--setting", `attack=${attack}`] };
  await withPool((directory) =>
    withClient(where, directory, options, async (client) => {
      await client.listTools();
      for (const tool of ["pool_list", "pool_status", "pool_ensure", "pool_stop"]) {
        await call(where, client, tool, {}, true);
      }
    }),
  );
}

async function unusable() {
  const where = "a policy that is not there";
  const options = { arguments: ["--policy", "/nowhere/policy.wasm"] };
  await withPool((directory) =>
    withClient(where, directory, options, async (client) => {
      check(where, "instructions", client.getInstructions()?.startsWith("NOT USABLE"), null);
      await client.listTools();
      await call(where, client, "pool_list", {}, true);
    }),
  );
}

// A stop that lasts longer than the client's timeout of 60 s, which its progress puts off.
async function long() {
  const where = "a long stop";
  await withPool((directory) =>
    withClient(where, directory, {}, async (client) => {
      await client.listTools();
      const begun = Date.now();
      const told = [];
      const waits = { onprogress: (progress) => told.push(progress), resetTimeoutOnProgress: true };
      const args = { sid: "deaf", grace_ms: LONG };
      await call(where, client, "pool_stop", args, true, waits);
      const took = Date.now() - begun;
      check(where, "it waits all of its time", took >= LONG && took < LONG + 20_000, took);
      const increases = told.every(({ progress }, at) => at === 0 || progress > told[at - 1].progress);
      check(where, "its progress increases", told.length > 0 && increases, told);
      check(where, "and has a total", told.at(-1)?.total === 1, told.at(-1));
    }),
  );
}

// The same without progress returns before the client gives up.
async function early() {
  const where = "a long stop without progress";
  if (LONG <= WITHOUT_PROGRESS) return;
  await withPool((directory) =>
    withClient(where, directory, {}, async (client) => {
      const args = { sid: "deaf", grace_ms: LONG, force: true };
      const answer = await call(where, client, "pool_stop", args, true);
      const says = ["This call returned after 50 s", "Nobody was killed"];
      const note = answer.note ?? "";
      check(where, "it says so", says.every((part) => note.includes(part)), answer);
    }),
  );
}

const lasting = Promise.all([long(), early()]);
await shipped("the shipped policy", {});
await shipped("the shipped policy, beside errors that answer nobody", { noise: true });
for (const attack of ["describe-only", "answer-text", "answer-array", "answer-empty", "trap"]) {
  await lying(attack);
}
await unusable();
await lasting;
process.stdout.write(`mcp typescript-${sdk}: ${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
