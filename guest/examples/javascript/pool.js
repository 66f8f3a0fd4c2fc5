// The registry beside what the host found about each of its entries.

import { inspect } from "poolwarden:pool/processes@0.1.0";
import { begin } from "poolwarden:pool/registry@0.1.0";

import { isDead, reason, status } from "./decide.js";
import { Registry, fields } from "./sessions.js";

/** Runs `work` on the pool while its lock is held. */
export function locked(work) {
  const transaction = begin();
  try {
    return work(new Pool(transaction));
  } finally {
    transaction[Symbol.dispose]();
  }
}

/** A registry in a transaction. */
class Pool {
  constructor(transaction) {
    this.transaction = transaction;
    this.registry = new Registry(transaction.read());
  }

  /** All entries or those of a sid, with what the host finds about them now. */
  survey(sid) {
    return this.inspect((entry) => sid === undefined || entry.sid === sid);
  }

  /**
   * The chosen entries, and after them one that is not there yet, each with its place and
   * what is found about it. The host is asked in one call, and in none when there is nobody.
   */
  inspect(isChosen, newcomer) {
    const placed = this.registry.entries
      .map((entry, place) => ({ place, entry }))
      .filter(({ entry }) => isChosen(entry));
    if (newcomer !== undefined) placed.push({ entry: newcomer });
    if (placed.length === 0) return [];
    const findings = inspect(placed.map(({ entry }) => claim(entry)));
    return placed.map((one, index) => ({ ...one, finding: findings[index] }));
  }

  /** Drops entries. Without any, the file is not touched. */
  drop(gone) {
    if (gone.length > 0) this.replace({ drop: gone });
  }

  /** Drops entries, and adds one. */
  replace({ drop, add }) {
    const places = new Set(drop.map(({ place }) => place));
    this.transaction.replace(this.registry.changed({ drop: places, add }));
  }
}

/** Who stays, and whose entry can go because the process is proven to be no more. */
export function sort(surveyed) {
  const dead = surveyed.filter(({ finding }) => isDead(finding));
  return [surveyed.filter(({ finding }) => !isDead(finding)), dead];
}

/** A session as `status` lists it. */
export function listedInFull({ entry, finding }) {
  const how = status(finding);
  const evidence = how === "running" || how === "stopping" ? undefined : reason(finding);
  return { ...fields(entry), status: how, evidence };
}

/** A session as `ensure` lists it. */
export const listed = (one) => ({ ...listedInFull(one), created_at: undefined });

/** An entry that was dropped, as answers name it. */
export const removed = ({ entry: { sid, pid }, finding }) => {
  return { sid, pid, standing: finding.standing, evidence: reason(finding) };
};

const claim = ({ sid, pid, sock, created_at: createdAt }) => ({ sid, pid, createdAt, sock });
