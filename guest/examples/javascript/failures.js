// What goes wrong: from exceptions to the failures that the WIT knows.

import { log } from "wasi:logging/logging@0.1.0-draft";

import { Corrupted } from "./sessions.js";

const FAILURES = ["host", "corrupted", "rejected"];

/** Why a verb has no answer: what is thrown is the WIT variant itself. */
export const rejected = (why) => ({ tag: "rejected", val: why });

/** The WIT variant that an import threw, as `{ tag, val }`. */
export const hostError = (error) => error?.payload ?? error;

/** Whether an import threw this case of the host's errors. */
export const isCase = (error, tag) => hostError(error)?.tag === tag;

/** Lets a verb throw what it meets: the host's errors, or that the registry is none. */
export function failing(verb) {
  return (...values) => {
    try {
      return verb(...values);
    } catch (error) {
      if (error instanceof Corrupted) {
        const [line, column] = [BigInt(error.line), BigInt(error.column)];
        throw { tag: "corrupted", val: { line, column, detail: error.message } };
      }
      const said = hostError(error);
      // Without a case it is a mistake in this policy, and the request ends in a trap.
      if (said?.tag === undefined || FAILURES.includes(said.tag)) throw error;
      // The place that settings come from has errors of its own.
      const isOwn = said.tag === "upstream" || said.tag === "io";
      throw { tag: "host", val: isOwn ? { ...said, tag: "system" } : said };
    }
  };
}

/** What happened, for whoever reads the answer. */
export function words(error) {
  if (error instanceof Corrupted) {
    return `it is corrupted at line ${error.line}, column ${error.column}: ${error.message}`;
  }
  return hostError(error).val;
}

/** Writes a warning into the host's log. */
export const warn = (message) => log("warn", "policy", message);
