// The registry: reading its entries, and changing it without writing it anew.
//
// What is known has to be there, once, in its type: algocline refuses a whole file otherwise,
// and a reader that guesses could lose a live worker. What is not known stays as it is.

import { Malformed, Reader } from "./scan.js";

const LARGEST_PID = 2 ** 32 - 1; // of the registry; a process has half of it at most
const FIELDS = ["sid", "pid", "sock", "version", "created_at"];

/** The bytes are no registry. Lines and columns count from 1, columns in bytes. */
export class Corrupted extends Error {
  constructor(before, detail) {
    super(detail);
    const lines = before.split("\n");
    this.line = lines.length;
    this.column = new TextEncoder().encode(lines.at(-1)).length + 1;
  }
}

/** An entry's five fields, in the order in which algocline writes them. */
export const fields = ({ sid, pid, sock, version, created_at }) => {
  return { sid, pid, sock, version, created_at };
};

/** Whether two entries name the same process for the same session. */
export const sameClaim = (a, b) =>
  ["sid", "pid", "sock", "created_at"].every((field) => a[field] === b[field]);

/** A registry as it was read. No file is an empty pool; an empty file is none. */
export class Registry {
  constructor(file) {
    this.entries = [];
    // What stands between the brackets of `sessions`.
    this.begin = this.end = 0;
    if (file === undefined) return;
    this.text = decode(file);
    try {
      this.#read(new Reader(this.text));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      throw new Corrupted(this.text.slice(0, error.at), error.message);
    }
  }

  #read(reader) {
    let found = false;
    for (const key of reader.members()) {
      if (key !== "sessions") {
        reader.skip();
        continue;
      }
      if (found) throw new Malformed(reader.at, "`sessions` stands here twice");
      found = true;
      reader.peek();
      this.begin = reader.at + 1;
      for (const begin of reader.elements()) this.entries.push(readEntry(reader, begin));
      this.end = reader.at - 1;
    }
    if (!found) throw new Malformed(reader.at, "there are no `sessions`");
    if (reader.peek() !== undefined) {
      throw new Malformed(reader.at, "there is more than the registry");
    }
  }

  /**
   * The bytes of the registry without the entries at these places, and with one more.
   *
   * Every other byte stays. The new entry is indented like the last one before it.
   */
  changed({ drop = new Set(), add } = {}) {
    const added = add === undefined ? undefined : JSON.stringify(fields(add));
    if (this.text === undefined) return encode(`{"sessions":[${added ?? ""}]}\n`);
    const kept = [];
    for (const [place, entry] of this.entries.entries()) {
      if (drop.has(place)) continue;
      const gap = kept.length > 0 ? this.#gap(place) : this.#indent(0);
      kept.push(gap + this.text.slice(entry.begin, entry.end));
    }
    if (added !== undefined) {
      const gap = this.#indent(this.entries.length - 1);
      kept.push(kept.length > 0 ? `,${gap}${added}` : gap + added);
    }
    const tail = kept.length > 0 ? (this.entries.at(-1)?.end ?? this.end) : this.end;
    return encode(this.text.slice(0, this.begin) + kept.join("") + this.text.slice(tail));
  }

  /** What stands between an entry and the one before it, or the bracket. */
  #gap(place) {
    const before = place > 0 ? this.entries[place - 1].end : this.begin;
    return this.text.slice(before, this.entries[place].begin);
  }

  /** The white space of a gap, without the comma and what is before it. */
  #indent(place) {
    return this.entries.length > 0 ? this.#gap(place).split(",").at(-1) : "";
  }
}

const encode = (text) => new TextEncoder().encode(text);

function decode(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file);
  } catch {
    // The replacement character may also stand in the file itself; then it is not this one.
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(file);
    throw new Corrupted(text.slice(0, text.indexOf("\ufffd")), "a byte that is no UTF-8");
  }
}

function readEntry(reader, begin) {
  const entry = { begin };
  for (const key of reader.members()) {
    if (!FIELDS.includes(key)) {
      reader.skip();
    } else if (Object.hasOwn(entry, key)) {
      throw new Malformed(reader.at, `\`${key}\` stands here twice`);
    } else {
      entry[key] = key === "pid" ? readPid(reader) : reader.string();
    }
  }
  for (const name of FIELDS) {
    if (!Object.hasOwn(entry, name)) throw new Malformed(begin, `this entry has no \`${name}\``);
  }
  entry.end = reader.at;
  return entry;
}

function readPid(reader) {
  const text = reader.plain();
  const pid = Number(text);
  if (!/^(?:0|[1-9][0-9]{0,9})$/.test(text) || pid > LARGEST_PID) {
    throw new Malformed(reader.at, "a pid is a whole number from 0 to 4294967295");
  }
  return pid;
}
