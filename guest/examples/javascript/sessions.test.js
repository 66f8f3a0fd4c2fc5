// Tests of what needs no host: reading a registry and changing it. Run with
//
//     node --test guest/examples/javascript/sessions.test.js

import assert from "node:assert/strict";
import { test } from "node:test";

import { Corrupted, Registry, fields } from "./sessions.js";

const encode = (text) => new TextEncoder().encode(text);
const read = (text) => new Registry(encode(text));
const change = (registry, changes) => new TextDecoder().decode(registry.changed(changes));
const created_at = "2026-01-01T00:00:00Z";
const entry = (sid, pid) =>
  `{"sid":"${sid}","pid":${pid},"sock":"","version":"","created_at":"${created_at}"}`;
const NEW = { sid: "neu", pid: 9, sock: "", version: "1", created_at };

test("no file is an empty pool", () => {
  assert.deepEqual(new Registry(undefined).entries, []);
});

test("escapes and unknown fields of any depth are read", () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const odd = entry("", 7).replace('"sid":""', `"si\\u0064":"\\ud83d\\ude00", "x":${deep}`);
  const [{ sid, pid }] = read(`{"sid":0,"sessions":[${odd}]}`).entries;
  assert.deepEqual([sid, pid], ["😀", 7]);
});

test("what is no registry is refused where it stops making sense", () => {
  const good = `{"sessions":[\n${entry("a", 7)}]}`;
  assert.equal(read(good).entries.length, 1);
  for (const [from, to, line = 2] of [
    ["\n", "\n\n\n,", 4],
    [":7", ':"7"'],
    [":7", ":-7"],
    [":7", ":4294967296"],
    [":7", ":7.0"],
    [":7", ':7,"pid":7'],
    ['"sock"', '"sick"'],
    ['"a"', '"\\ud800"'],
    ['"a"', "null"],
    ["]}", "]} x"],
    ['"sessions"', '"other"'],
  ]) {
    const text = good.replace(from, to);
    assert.throws(
      () => read(text),
      (error) => error instanceof Corrupted && error.line === line,
      text,
    );
  }
});

test("bytes that are no text are refused", () => {
  const bytes = Uint8Array.of(...encode('{\n"ä'), 0xff, ...encode('":1}'));
  assert.throws(() => new Registry(bytes), { line: 2, column: 4 });
});

test("every other byte stays", () => {
  const a = `{"n": 1e400, "n":[1.0], ${entry("\\u00e4", 7).slice(1)}`;
  const [b, c] = [entry("b", 8), entry("c", 9)];
  const registry = (sessions) => `\n{ "x":1, "x":2, "sessions" : ${sessions}  ,"y":-0.0 }\n`;
  const before = read(registry(`[ ${a}\n , ${b},${c} ]`));
  assert.equal(change(before), registry(`[ ${a}\n , ${b},${c} ]`));
  assert.equal(change(before, { drop: new Set([1]) }), registry(`[ ${a},${c} ]`));
  assert.equal(change(before, { drop: new Set([0, 2]) }), registry(`[ ${b} ]`));
  assert.equal(change(before, { drop: new Set([0, 1, 2]) }), registry("[]"));
});

test("a new entry is the last, and indented like the one before it", () => {
  const changed = change(read(`{"sessions":[\n  ${entry("a", 7)}\n]}\n`), { add: NEW });
  assert.equal(changed.split("\n  {").length, 3);
  assert.deepEqual(JSON.parse(changed).sessions[1], fields(NEW));
  const alone = JSON.parse(change(new Registry(undefined), { add: NEW }));
  assert.deepEqual(alone, { sessions: [fields(NEW)] });
});
