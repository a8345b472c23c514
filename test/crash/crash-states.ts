// Every directory that a power loss may leave, given what was written and synced until then (after ALICE, Pillai 2014).
//
// The model: contents not yet synced reach the device in any selection of 512-byte sectors, a sector wholly or not at
// all; a file may be as long as it was told to be, or only as long as what has reached the device, or cut short
// anywhere within its last sector. Names not yet synced reach it in order (a journalling file system) or in any
// selection. A rename is atomic. What was synced stays.
import { permutation, random } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";
import type { Change, Image, Mark, MemoryDisk } from "./memory-disk.js";

export type NameOrder = "ordered" | "any";

export interface CrashState {
  readonly image: Image;
  /** How many changes had been asked for. */
  readonly after: number;
  /** What the writer had begun, and what it had promised. */
  readonly offered: number;
  readonly acknowledged: number;
}

const sector = 512;

interface Write {
  readonly position: number;
  readonly bytes: Uint8Array;
}

interface Contents {
  readonly durable: Uint8Array;
  /** Sectors that were written since. */
  readonly pending: readonly Write[];
}

type NameChange = Extract<Change, { readonly type: "create" | "rename" | "unlink" }>;

export interface CrashOptions {
  readonly names: NameOrder;
  /** Of the selections at one instant at most so many are tried, drawn by the seed. */
  readonly limit: number;
  readonly seed: string;
}

/** The states after every change that the disk recorded; equal ones are given as often as they come about. */
export function* crashStates(disk: MemoryDisk, options: CrashOptions): Generator<CrashState> {
  const draw = random("crash states", options.seed);
  const contents = new Map<number, Contents>();
  let names = new Map<string, number>();
  for (const [name, { number, bytes }] of disk.initial) {
    contents.set(number, { durable: bytes, pending: [] });
    names.set(name, number);
  }
  let pendingNames: NameChange[] = [];
  let marks: Record<Mark["type"], number> = { offered: 0, acknowledged: 0 };

  for (const [index, change] of disk.changes.entries()) {
    switch (change.type) {
      case "create":
        contents.set(change.inode, { durable: new Uint8Array(), pending: [] });
        pendingNames = [...pendingNames, change];
        break;
      case "rename":
      case "unlink":
        pendingNames = [...pendingNames, change];
        break;
      case "write": {
        const held = contentsOf(contents, change.inode);
        contents.set(change.inode, { ...held, pending: [...held.pending, ...sectorsOf(change)] });
        break;
      }
      case "sync": {
        const held = contentsOf(contents, change.inode);
        contents.set(change.inode, { durable: written(held.durable, held.pending), pending: [] });
        break;
      }
      case "syncDirectory":
        names = renamed(names, pendingNames);
        pendingNames = [];
        break;
      case "mark":
        marks = { ...marks, [change.mark.type]: change.mark.step };
        continue;
    }
    for (const chosen of selections(pendingNames, options, draw)) {
      for (const image of imagesOf(renamed(names, chosen), contents, options, draw)) {
        yield { image, after: index + 1, ...marks };
      }
    }
  }
}

/** Which of the pending name changes reach the device. */
function selections(pending: readonly NameChange[], { names, limit }: CrashOptions, draw: Random): NameChange[][] {
  if (names === "ordered") return [...Array(pending.length + 1).keys()].map((count) => pending.slice(0, count));
  return subsets(pending.length, limit, draw).map((chosen) => pending.filter((_, i) => chosen(i)));
}

function* imagesOf(
  names: ReadonlyMap<string, number>,
  contents: ReadonlyMap<number, Contents>,
  { limit }: CrashOptions,
  draw: Random,
): Generator<Image> {
  let images = [new Map<string, Uint8Array>()];
  for (const [name, inode] of names) {
    const versions = versionsOf(contentsOf(contents, inode), limit, draw);
    const all = images.flatMap((image) => versions.map((bytes) => new Map(image).set(name, bytes)));
    images = drawn(all, limit, draw);
  }
  yield* images;
}

/** What may be read from a file after the power loss. */
function versionsOf({ durable, pending }: Contents, limit: number, draw: Random): Uint8Array[] {
  if (pending.length === 0) return [durable];
  const told = written(durable, pending).byteLength;
  return subsets(pending.length, limit, draw).flatMap((chosen) => {
    const arrived = pending.filter((_, i) => chosen(i));
    const reached = written(durable, arrived);
    const full = new Uint8Array(told);
    full.set(reached);
    const last = arrived.at(-1);
    const cut = last && Math.max(durable.byteLength, last.position + 1 + draw.below(last.bytes.byteLength));
    return [full, reached, ...(cut === undefined ? [] : [reached.subarray(0, cut)])];
  });
}

/** All subsets of `count` things, or so many as `limit` says: none, all, and others drawn. */
function subsets(count: number, limit: number, draw: Random): ((index: number) => boolean)[] {
  if (count <= 30 && 2 ** count <= limit) {
    return [...Array(2 ** count).keys()].map((mask) => (i) => (mask & (1 << i)) !== 0);
  }
  const masks = Array.from({ length: limit - 2 }, () => Array.from({ length: count }, () => draw.below(2) === 1));
  return [() => false, () => true, ...masks.map((mask) => (i: number) => mask[i] === true)];
}

function drawn<T>(items: readonly T[], limit: number, draw: Random): T[] {
  if (items.length <= limit) return [...items];
  return Array.from(permutation(items.length, draw).subarray(0, limit), (i) => items[i] as T);
}

function renamed(names: ReadonlyMap<string, number>, changes: readonly NameChange[]): Map<string, number> {
  const after = new Map(names);
  for (const change of changes) {
    if (change.type === "create") after.set(change.name, change.inode);
    else after.delete(change.type === "rename" ? change.from : change.name);
    if (change.type === "rename") after.set(change.to, change.inode);
  }
  return after;
}

function sectorsOf({ position, bytes }: Write): Write[] {
  const pieces: Write[] = [];
  for (let start = position; start < position + bytes.byteLength;) {
    const end = Math.min((Math.floor(start / sector) + 1) * sector, position + bytes.byteLength);
    pieces.push({ position: start, bytes: bytes.subarray(start - position, end - position) });
    start = end;
  }
  return pieces;
}

function written(bytes: Uint8Array, writes: readonly Write[]): Uint8Array {
  const end = writes.reduce((max, each) => Math.max(max, each.position + each.bytes.byteLength), bytes.byteLength);
  const result = new Uint8Array(end);
  result.set(bytes);
  for (const { position, bytes: piece } of writes) result.set(piece, position);
  return result;
}

function contentsOf(contents: ReadonlyMap<number, Contents>, inode: number): Contents {
  const held = contents.get(inode);
  if (held === undefined) throw new Error(`no file has the number ${inode}`);
  return held;
}
