// The few raw file operations that all durable I/O goes through. A test puts a disk here that fails at the N-th call.
import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { access, lstat, open, readdir, rename, statfs, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { StorageLock } from "./storage.js";

/** What lies at a path; a symbolic link is not followed. */
export interface DiskEntry {
  readonly kind: "file" | "directory" | "other";
  readonly byteLength: number;
  /** Device and inode: the same for two paths only if they are one file. A removed file's may be given out again. */
  readonly identity: string;
  /** When the file was created, in nanoseconds. */
  readonly born: bigint;
}

/** An open file. Reads and writes name their position and may be short, as the system calls may. */
export interface DiskFile {
  /** Writes some of `bytes` at `position` and says how many. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Reads into `target` from `position` and says how many bytes; 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Resolves when the contents are on the device. Never to be tried again once it failed. */
  sync(): Promise<void>;
  stat(): Promise<DiskEntry>;
  close(): Promise<void>;
}

/** Raw file operations. Errors are Node's own, with their `code`. */
export interface Disk {
  /** A new file for writing; fails if anything is there already. */
  create(path: string): Promise<DiskFile>;
  /** An existing file, for reading or for writing too; a symbolic link is refused. */
  open(path: string, access: "read" | "write"): Promise<DiskFile>;
  /** Reads into `target` from `position` of the file at `path`, at once; says how many bytes. */
  readSync(path: string, target: Uint8Array, position: number): number;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(path: string): Promise<readonly string[]>;
  /** `undefined` when nothing is there. */
  stat(path: string): Promise<DiskEntry | undefined>;
  /** Fails if files cannot be created in the directory. */
  checkWritable(directory: string): Promise<void>;
  /** Bytes that may still be written on the disk of a directory. Absent: not known. */
  free?(directory: string): Promise<number>;
  /** Resolves when the names in the directory are on the device. */
  syncDirectory(directory: string): Promise<void>;
  /** Holds a directory for one owner. Absent: a lock of this machine. Throws `storage/locked`. */
  lock?(directory: string): Promise<StorageLock>;
  /** So many random bytes as hexadecimal digits, for names of new files. Absent: the machine's own randomness. */
  randomHex?(byteLength: number): string;
}

/** So many random bytes as hexadecimal digits: the disk's own, or the machine's. */
export function randomHex(disk: Disk, byteLength: number): string {
  return disk.randomHex?.(byteLength) ?? randomBytes(byteLength).toString("hex");
}

/** The code of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Writes all of `bytes` from `position`, however short the single writes are. */
export async function writeFully(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written <= 0) throw new Error(`the disk took none of ${bytes.byteLength - done} bytes`);
    done += written;
  }
}

/** Reads until `target` is full or the file ends; says how many bytes. */
export async function readFully(file: DiskFile, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const count = await file.read(target.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** The machine's own disk. */
export const nodeDisk: Disk = {
  async create(path) {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    return diskFile(await open(path, O_CREAT | O_EXCL | O_WRONLY | noFollow(O_NOFOLLOW), 0o600));
  },
  async open(path, access) {
    const { O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;
    return diskFile(await open(path, (access === "read" ? O_RDONLY : O_RDWR) | noFollow(O_NOFOLLOW)));
  },
  readSync(path, target, position) {
    const descriptor = openSync(path, constants.O_RDONLY | noFollow(constants.O_NOFOLLOW));
    try {
      return readSync(descriptor, target, 0, target.byteLength, position);
    } finally {
      closeSync(descriptor);
    }
  },
  rename,
  unlink,
  readdir,
  async stat(path) {
    try {
      return entryOf(await lstat(path, { bigint: true }));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  },
  checkWritable: (directory) => access(directory, constants.W_OK | constants.X_OK),
  async free(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
  async syncDirectory(directory) {
    // Windows has no way to sync a directory; its journal orders a rename after the flush of the file.
    if (process.platform === "win32") return;
    const handle = await open(directory, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

function diskFile(handle: FileHandle): DiskFile {
  return {
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten,
    read: async (target, position) => (await handle.read(target, 0, target.byteLength, position)).bytesRead,
    sync: () => handle.datasync(),
    stat: async () => entryOf(await handle.stat({ bigint: true })),
    close: () => handle.close(),
  };
}

interface RawStat {
  isFile(): boolean;
  isDirectory(): boolean;
  readonly size: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthtimeNs: bigint;
}

function entryOf(stat: RawStat): DiskEntry {
  return {
    kind: stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other",
    byteLength: Number(stat.size),
    identity: `${stat.dev}:${stat.ino}`,
    born: stat.birthtimeNs,
  };
}

/** Windows does not have the flag. */
function noFollow(flag: number | undefined): number {
  return flag ?? 0;
}
