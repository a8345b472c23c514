// A directory on a disk in memory that records every change, so that a test can ask what a power loss would leave.
import { basename } from "node:path";
import type { Disk, DiskEntry, DiskFile } from "@perennial-fl/checkpointer";

/** The one directory of such a disk. */
export const directory = "/crash";

/** What a directory holds: contents by name. */
export type Image = ReadonlyMap<string, Uint8Array>;

/** A change in the order in which it was asked for. `mark` is no change: it says what the writer had promised by then. */
export type Change =
  | { readonly type: "create"; readonly name: string; readonly inode: number }
  | { readonly type: "write"; readonly inode: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly type: "sync"; readonly inode: number }
  | { readonly type: "rename"; readonly from: string; readonly to: string; readonly inode: number }
  | { readonly type: "unlink"; readonly name: string; readonly inode: number }
  | { readonly type: "syncDirectory" }
  | { readonly type: "mark"; readonly mark: Mark };

/** Step `step` was begun (`offered`), or was reported as durable (`acknowledged`). */
export interface Mark {
  readonly type: "offered" | "acknowledged";
  readonly step: number;
}

export interface MemoryDisk extends Disk {
  /** The files that were there, and durable, before the first call. */
  readonly initial: ReadonlyMap<string, Inode>;
  /** Everything that happened, from the first call. */
  readonly changes: readonly Change[];
  mark(mark: Mark): void;
  /** What a reader sees now. */
  image(): Image;
}

/** A file apart from its name. */
export interface Inode {
  readonly number: number;
  /** Replaced as a whole by every write. */
  bytes: Uint8Array;
}

/** Counts over all disks, as a file is never confused with one that was there before. */
let inodes = 0;

/** A disk that holds `image`, all of it durable. */
export function memoryDisk(image: Image = new Map()): MemoryDisk {
  const names = new Map<string, Inode>();
  const changes: Change[] = [];
  for (const [name, bytes] of image) names.set(name, { number: ++inodes, bytes: bytes.slice() });

  const find = (path: string): Inode => {
    const inode = names.get(basename(path));
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  };
  return {
    initial: new Map([...names].map(([name, inode]) => [name, { ...inode }])),
    changes,
    mark: (mark) => changes.push({ type: "mark", mark }),
    image: () => new Map([...names].map(([name, { bytes }]) => [name, bytes.slice()])),
    create: (path) =>
      later(() => {
        const name = basename(path);
        if (names.has(name)) throw systemError("EEXIST", path);
        const inode = { number: ++inodes, bytes: new Uint8Array() };
        names.set(name, inode);
        changes.push({ type: "create", name, inode: inode.number });
        return openFile(inode, changes);
      }),
    open: (path) => later(() => openFile(find(path), changes)),
    readSync: (path, target, position) => copy(find(path).bytes, target, position),
    rename: (from, to) =>
      later(() => {
        const inode = find(from);
        names.delete(basename(from));
        names.set(basename(to), inode);
        changes.push({ type: "rename", from: basename(from), to: basename(to), inode: inode.number });
      }),
    unlink: (path) =>
      later(() => {
        const inode = find(path);
        names.delete(basename(path));
        changes.push({ type: "unlink", name: basename(path), inode: inode.number });
      }),
    readdir: () => later(() => [...names.keys()]),
    stat: (path) =>
      later(() => {
        if (path === directory) return directoryEntry;
        const inode = names.get(basename(path));
        return inode === undefined ? undefined : entryOf(inode);
      }),
    free: () => Promise.resolve(2 ** 40),
    checkWritable: () => Promise.resolve(),
    syncDirectory: () => later(() => void changes.push({ type: "syncDirectory" })),
  };
}

/** The process is part of the identity, because the lock of a directory is the machine's. */
const directoryEntry: DiskEntry = { kind: "directory", byteLength: 0, identity: `memory:${process.pid}`, born: 0n };

function openFile(inode: Inode, changes: Change[]): DiskFile {
  return {
    write: (bytes, position) =>
      later(() => {
        const grown = new Uint8Array(Math.max(inode.bytes.byteLength, position + bytes.byteLength));
        grown.set(inode.bytes);
        grown.set(bytes, position);
        inode.bytes = grown;
        changes.push({ type: "write", inode: inode.number, position, bytes: bytes.slice() });
        return bytes.byteLength;
      }),
    read: (target, position) => later(() => copy(inode.bytes, target, position)),
    sync: () => later(() => void changes.push({ type: "sync", inode: inode.number })),
    stat: () => later(() => entryOf(inode)),
    close: () => Promise.resolve(),
  };
}

function copy(bytes: Uint8Array, target: Uint8Array, position: number): number {
  const part = bytes.subarray(position, position + target.byteLength);
  target.set(part);
  return part.byteLength;
}

function entryOf({ number, bytes }: Inode): DiskEntry {
  return { kind: "file", byteLength: bytes.byteLength, identity: `memory:${number}`, born: BigInt(number) };
}

/** An error as the system gives it. */
export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** Runs now and answers as a promise does, errors included. */
function later<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(run());
  });
}
