// What a disk holds: what its readers see, and what of it would still be there after the power went.
import type { Random } from "@perennial-fl/core";

/** A file apart from its names. */
export interface Inode {
  readonly number: number;
  /** What a reader sees. */
  bytes: Uint8Array;
  /** What is on the device. */
  durable: Uint8Array;
  /** Pieces of at most a sector that were written since, and may or may not be on the device. */
  pending: Piece[];
}

interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
}

type NameChange =
  | { readonly type: "link"; readonly name: string; readonly inode: Inode }
  | { readonly type: "rename"; readonly from: string; readonly to: string; readonly inode: Inode }
  | { readonly type: "unlink"; readonly name: string };

const sectorBytes = 512;

/**
 * One directory on one device, after the model of ALICE (Pillai 2014): contents that were not synced reach the device
 * in any selection of sectors, and names that were not synced in order or in any selection. A rename is atomic.
 */
export class Platter {
  readonly #journalled: boolean;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: NameChange[] = [];
  #inodes = 0;

  /** On a `journalled` file system names reach the device in order. */
  constructor(journalled: boolean) {
    this.#journalled = journalled;
  }

  names(): string[] {
    return [...this.#names.keys()];
  }

  find(name: string): Inode | undefined {
    return this.#names.get(name);
  }

  create(name: string): Inode {
    const inode: Inode = { number: ++this.#inodes, bytes: empty, durable: empty, pending: [] };
    this.#change({ type: "link", name, inode });
    return inode;
  }

  write(inode: Inode, bytes: Uint8Array, position: number): void {
    inode.bytes = written(inode.bytes, [{ position, bytes }]);
    inode.pending.push(...sectorsOf(position, bytes));
  }

  rename(from: string, to: string, inode: Inode): void {
    this.#change({ type: "rename", from, to, inode });
  }

  unlink(name: string): void {
    this.#change({ type: "unlink", name });
  }

  sync(inode: Inode): void {
    inode.durable = written(inode.durable, inode.pending);
    inode.pending = [];
  }

  /** A sync that fails: the system forgets that the pieces were not on the device (Rebello 2020). */
  forget(inode: Inode): void {
    inode.pending = [];
  }

  syncNames(): void {
    for (const change of this.#pendingNames.splice(0)) apply(this.#durableNames, change);
  }

  /** The power goes and comes back: what was not synced is there in part. */
  losePower(draw: Random): void {
    const kept = draw.below(this.#pendingNames.length + 1);
    const survivors = this.#pendingNames.filter((_, at) => (this.#journalled ? at < kept : draw.below(2) === 0));
    for (const change of survivors) apply(this.#durableNames, change);
    this.#pendingNames = [];
    for (const inode of new Set(this.#durableNames.values())) {
      const arrived = inode.pending.filter(() => draw.below(2) === 0);
      const reached = written(inode.durable, arrived);
      // The length may be on the device before the contents are: zeros are read there.
      const told = written(inode.durable, inode.pending).byteLength;
      const length = draw.below(2) === 0 ? told : reached.byteLength;
      inode.durable = filled(new Uint8Array(Math.max(length, reached.byteLength)), reached);
      inode.pending = [];
      inode.bytes = inode.durable;
    }
    this.#names = new Map(this.#durableNames);
  }

  /** One bit of one file flips, on the device and for its readers. Gives the file's name, if there was one to damage. */
  rot(draw: Random): string | undefined {
    const files = [...this.#names].filter(([, { bytes }]) => bytes.byteLength > 0);
    const [name, inode] = files[files.length === 0 ? 0 : draw.below(files.length)] ?? [];
    if (name === undefined || inode === undefined) return undefined;
    const bit = draw.below(inode.bytes.byteLength * 8);
    this.sync(inode);
    inode.bytes = flipped(inode.bytes, bit);
    inode.durable = inode.bytes;
    return name;
  }

  /** Whether a file's contents would be there, as its readers see them, whatever happened to the power now. */
  isDurable(name: string): boolean {
    const inode = this.#names.get(name);
    const kept = this.#durableNames.get(name);
    if (inode === undefined || kept === undefined) return false;
    const changes = this.#pendingNames.filter((change) => touches(change, name));
    if (changes.some((change) => change.type === "unlink" || (change.type === "rename" && change.from === name))) {
      return false;
    }
    // Another file with the same contents may be on its way to the name: then either will do.
    const candidates = [kept, ...changes.flatMap((change) => ("inode" in change ? [change.inode] : []))];
    return candidates.every(
      ({ pending, durable }) => pending.length === 0 && Buffer.compare(durable, inode.bytes) === 0,
    );
  }

  #change(change: NameChange): void {
    apply(this.#names, change);
    this.#pendingNames.push(change);
  }
}

const empty = new Uint8Array();

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === "link") names.set(change.name, change.inode);
  else names.delete(change.type === "rename" ? change.from : change.name);
  if (change.type === "rename") names.set(change.to, change.inode);
}

function touches(change: NameChange, name: string): boolean {
  return change.type === "rename" ? change.from === name || change.to === name : change.name === name;
}

function sectorsOf(position: number, bytes: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const within = (position + start) % sectorBytes;
    const end = Math.min(start + sectorBytes - within, bytes.byteLength);
    pieces.push({ position: position + start, bytes: bytes.slice(start, end) });
    start = end;
  }
  return pieces;
}

function written(bytes: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  const end = pieces.reduce((most, piece) => Math.max(most, piece.position + piece.bytes.byteLength), bytes.byteLength);
  const result = filled(new Uint8Array(end), bytes);
  for (const piece of pieces) result.set(piece.bytes, piece.position);
  return result;
}

function filled(target: Uint8Array, bytes: Uint8Array): Uint8Array {
  target.set(bytes);
  return target;
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const bad = bytes.slice();
  bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
  return bad;
}
