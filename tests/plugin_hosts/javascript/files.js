// The pool's directory: its lock, its registry, and the atomic replacement of that.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { HostError, system } from "./errors.js";

const LOCK_WAIT = 10; // seconds
const LARGEST_REGISTRY = 64 << 20; // bytes
const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants;

/**
 * A directory that one user owns and nobody else can write.
 *
 * Whoever writes the registry says which processes are signalled, so a directory that others
 * can write is refused.
 */
export class Pool {
  constructor(directory, lockWait = LOCK_WAIT) {
    const about = fs.lstatSync(directory);
    const ours = about.isDirectory() && about.uid === process.geteuid();
    if (!ours || about.mode & 0o022) {
      throw new Error(`${directory}: not a directory that only this user can write`);
    }
    this.directory = directory;
    this.lockWait = lockWait;
  }

  file(name) {
    return path.join(this.directory, name);
  }

  /**
   * Takes the lock and returns its descriptor; closing that releases it.
   *
   * Node.js has no flock(2). The lock belongs to the open file, which flock(1) inherits as
   * its descriptor 3: it locks it and exits, and the lock stays with ours.
   */
  lock() {
    const lock = this.file("registry.lock");
    for (;;) {
      const fd = attempt(() => fs.openSync(lock, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600));
      const { error, status, stderr } = spawnSync(
        "flock",
        ["--exclusive", "--timeout", String(this.lockWait), "3"],
        { stdio: ["ignore", "ignore", "pipe", fd], encoding: "utf8" },
      );
      // The lock file is never removed by poolwarden; somebody else may have.
      if (status === 0 && isStillAt(fd, lock)) return fd;
      fs.closeSync(fd);
      if (error) throw system(error);
      if (status === 1) {
        const held = `somebody else held the lock for ${this.lockWait} s`;
        throw new HostError("busy", `${lock}: ${held}`);
      }
      if (status !== 0) throw new HostError("system", `flock: ${stderr}`);
    }
  }

  /** The registry's bytes, or undefined when there is no file. Needs the lock. */
  read() {
    const registry = this.file("registry.json");
    return attempt(() => {
      let fd;
      try {
        fd = fs.openSync(registry, O_RDONLY | O_NOFOLLOW);
      } catch (error) {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }
      try {
        if (fs.fstatSync(fd).size > LARGEST_REGISTRY) {
          throw new HostError("too-large", `${registry}: larger than ${LARGEST_REGISTRY} bytes`);
        }
        return new Uint8Array(fs.readFileSync(fd));
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  /**
   * Replaces the registry as a whole, so that a crash leaves the old one or the new one.
   * Needs the lock.
   */
  replace(bytes) {
    const temporary = this.file("registry.json.new");
    attempt(() => {
      withFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, (fd) => {
        fs.writeFileSync(fd, bytes);
        // Before the rename: else a power cut may leave an empty registry.
        fs.fsyncSync(fd);
      });
      fs.renameSync(temporary, this.file("registry.json"));
      // The rename itself is an entry of the directory.
      withFile(this.directory, O_RDONLY | O_DIRECTORY, fs.fsyncSync);
    });
  }
}

function withFile(file, flags, use) {
  const fd = fs.openSync(file, flags, 0o600);
  try {
    use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Turns an error of the system into one that the policy understands. */
function attempt(work) {
  try {
    return work();
  } catch (error) {
    throw error.syscall === undefined ? error : system(error);
  }
}

function isStillAt(fd, file) {
  const [held, named] = [fs.fstatSync(fd), fs.lstatSync(file, { throwIfNoEntry: false })];
  return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}
