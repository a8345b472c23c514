// A virtual disk: the checkpointer's port over a platter, in virtual time, with the faults that the weather brings.
import { basename } from "node:path";
import { FederationError } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";
import type { Disk, DiskEntry, DiskFile, StorageLock } from "@perennial-fl/checkpointer";
import { Platter } from "./platter.js";
import type { Inode } from "./platter.js";
import type { Process, Scheduler } from "./scheduler.js";

/** How a disk behaves at present. */
export interface DiskMood {
  /** The share of calls that fail with EIO, before or after they were carried out. */
  readonly errors: number;
  /** The share of reads and writes that do a part of what was asked, and say so. */
  readonly short: number;
  /** Whether there is no room for another byte. */
  readonly full: boolean;
  /** Whether syncs are reported and not done. */
  readonly lying: boolean;
  /** The longest time that a call takes. */
  readonly latencyMsMax: number;
}

export const soundDisk: DiskMood = { errors: 0, short: 0, full: false, lying: false, latencyMsMax: 2 };

export interface VirtualDiskOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly draw: Random;
  /** Told of every fault. */
  readonly tell: (what: string) => void;
}

type Outcome<T> = { readonly value: T } | { readonly error: Error };

/** The disk of one machine. It outlives the processes that use it, each through a view of its own. */
export class VirtualDisk {
  readonly platter: Platter;
  mood: DiskMood = soundDisk;
  /** Called after so many calls from now, in the place of the last one's answer. */
  trap: { calls: number; readonly spring: () => void } | undefined;
  readonly #options: VirtualDiskOptions;
  #holder: Process | undefined;

  constructor(options: VirtualDiskOptions) {
    this.#options = options;
    this.platter = new Platter(options.draw.below(2) === 0);
  }

  get directory(): string {
    return `/virtual/${this.#options.name}`;
  }

  /** The disk as one process sees it. */
  view(process: Process): Disk {
    const { platter } = this;
    const find = (path: string): Inode => {
      const inode = platter.find(basename(path));
      if (inode === undefined) throw systemError("ENOENT", path);
      return inode;
    };
    const call = <T>(what: string, path: string, run: () => T, room = false): Promise<T> =>
      this.#call(process, what, path, run, room);
    const open = (inode: Inode, path: string): DiskFile => this.#open(process, inode, path);
    return {
      create: (path) =>
        call(
          "create",
          path,
          () => {
            if (platter.find(basename(path)) !== undefined) throw systemError("EEXIST", path);
            return open(platter.create(basename(path)), path);
          },
          true,
        ),
      open: (path) => call("open", path, () => open(find(path), path)),
      readSync: (path, target, position) => {
        if (this.#options.draw.float() < this.mood.errors) throw this.#failure("EIO", "read", path);
        return copy(find(path).bytes, target, position);
      },
      rename: (from, to) =>
        call("rename", to, () => {
          platter.rename(basename(from), basename(to), find(from));
        }),
      unlink: (path) =>
        call("unlink", path, () => {
          find(path);
          platter.unlink(basename(path));
        }),
      readdir: (path) => call("readdir", path, () => platter.names()),
      stat: (path) => call("stat", path, () => this.#entry(path)),
      checkWritable: (path) => call("access", path, () => undefined),
      syncDirectory: (path) =>
        call("syncDirectory", path, () => {
          if (!this.mood.lying) platter.syncNames();
        }),
      lock: () => this.#lock(process),
      randomHex: (byteLength) => randomHex(this.#options.draw, byteLength),
    };
  }

  #open(process: Process, inode: Inode, path: string): DiskFile {
    const { platter } = this;
    const transfer = (bytes: Uint8Array): Uint8Array => {
      const { draw } = this.#options;
      return bytes.byteLength > 0 && draw.float() < this.mood.short
        ? bytes.subarray(0, 1 + draw.below(bytes.byteLength))
        : bytes;
    };
    return {
      write: (bytes, position) =>
        this.#call(
          process,
          "write",
          path,
          () => {
            const part = transfer(bytes);
            platter.write(inode, part, position);
            return part.byteLength;
          },
          true,
        ),
      read: (target, position) =>
        this.#call(process, "read", path, () => copy(inode.bytes, transfer(target), position)),
      sync: () => this.#sync(process, inode, path),
      stat: () => this.#call(process, "stat", path, () => entryOf(this.directory, inode)),
      close: () => this.#call(process, "close", path, () => undefined),
    };
  }

  async #sync(process: Process, inode: Inode, path: string): Promise<void> {
    try {
      await this.#call(process, "sync", path, () => {
        if (!this.mood.lying) this.platter.sync(inode);
      });
    } catch (error) {
      this.platter.forget(inode);
      throw error;
    }
  }

  /** One call: takes its time, meets its fault, and is answered, unless the process is dead by then. */
  #call<T>(process: Process, what: string, path: string, run: () => T, room: boolean = false): Promise<T> {
    const { scheduler, draw } = this.#options;
    return new Promise((resolve, reject) => {
      scheduler.after(0.05 + draw.float() * this.mood.latencyMsMax, process, () => {
        const outcome = this.#carryOut(what, path, run, room);
        const { trap } = this;
        if (trap !== undefined && --trap.calls <= 0) {
          this.trap = undefined;
          trap.spring();
          if (!process.alive) return;
        }
        if ("value" in outcome) resolve(outcome.value);
        else reject(outcome.error);
      });
    });
  }

  #carryOut<T>(what: string, path: string, run: () => T, room: boolean): Outcome<T> {
    const { draw } = this.#options;
    if (room && this.mood.full) return { error: this.#failure("ENOSPC", what, path) };
    const fails = draw.float() < this.mood.errors;
    try {
      if (fails && draw.below(2) === 0) return { error: this.#failure("EIO", what, path) };
      const value = run();
      return fails ? { error: this.#failure("EIO after all", what, path) } : { value };
    } catch (error) {
      // What is thrown here is a system's error, made below.
      return { error: error as Error };
    }
  }

  #failure(code: string, what: string, path: string): Error {
    this.#options.tell(`${code} ${what} ${kindOf(path)}`);
    return systemError(code.split(" ")[0] as string, `${what} ${path}`);
  }

  #entry(path: string): DiskEntry | undefined {
    const { directory } = this;
    if (path === directory) return { kind: "directory", byteLength: 0, identity: directory, born: 0n };
    const inode = this.platter.find(basename(path));
    return inode && entryOf(directory, inode);
  }

  /** The kernel's lock: gone with the process that held it. */
  #lock(process: Process): Promise<StorageLock> {
    if (this.#holder?.alive === true) {
      const holder = this.#holder.name;
      return Promise.reject(new FederationError("storage/locked", `${this.directory} is in use by ${holder}`));
    }
    this.#holder = process;
    return Promise.resolve({
      release: () => {
        if (this.#holder === process) this.#holder = undefined;
        return Promise.resolve();
      },
    });
  }
}

/** So many bytes of hexadecimal digits. */
export function randomHex(draw: Random, byteLength: number): string {
  return Array.from({ length: byteLength }, () => draw.below(256).toString(16).padStart(2, "0")).join("");
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function entryOf(directory: string, { number, bytes }: Inode): DiskEntry {
  return { kind: "file", byteLength: bytes.byteLength, identity: `${directory}:${number}`, born: BigInt(number) };
}

function copy(bytes: Uint8Array, target: Uint8Array, position: number): number {
  const part = bytes.subarray(position, position + target.byteLength);
  target.set(part);
  return part.byteLength;
}

/** What a file is for: temporary and blob names say nothing that a person could use. */
function kindOf(path: string): string {
  const name = basename(path);
  return name.startsWith(".tmp-") ? name.slice(22) : name.endsWith(".blob") ? "blob" : name;
}
