// The few raw file operations that all durable I/O goes through. A test puts a disk here that fails at the N-th call.
import { randomBytes } from "node:crypto";
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
