// The write protocol: new contents appear under a name whole and durable, or not at all.
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.js";
import { randomHex, systemCode, writeFully } from "./disk.js";
import { joined } from "./joined.js";
import { creationError, ioError, step } from "./io-error.js";
import { previousName, temporaryPrefix } from "./names.js";
import type { Contents } from "./storage.js";

/** Paths that this process is writing now, disk by disk, so that a sweep leaves them alone. */
const writing = new WeakMap<Disk, Set<string>>();

function underWayOn(disk: Disk): Set<string> {
  const known = writing.get(disk) ?? new Set<string>();
  writing.set(disk, known);
  return known;
}

/** A file that nobody else can see yet, under a random name. `publish` or `discard` ends it; `discard` is harmless then. */
export interface TemporaryFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the contents durable, gives them their name, and makes the name durable. Discards them if that fails. */
  publish(name: string, keepPrevious?: boolean): Promise<void>;
  discard(): Promise<void>;
}

/** Creates a temporary file for `purpose`, the name that it is to have (so that a sweep for that name finds it). */
export async function createTemporary(disk: Disk, directory: string, purpose: string): Promise<TemporaryFile> {
  // A fresh name each time: with a fixed one, a single failed rename would make every later save fail.
  const path = join(directory, `${temporaryPrefix}${randomHex(disk, 8)}-${purpose}`);
  const underWay = underWayOn(disk);
  underWay.add(path);
  let file: DiskFile | undefined;
  try {
    file = await disk.create(path);
  } catch (error) {
    underWay.delete(path);
    throw creationError(directory, error);
  }
  let position = 0;

  const closeFile = async (): Promise<void> => {
    const closing = file;
    file = undefined;
    await closing?.close();
  };
  const discard = async (): Promise<void> => {
    // What cannot be closed or removed here is removed by the next owner's sweep; the first error is the one to tell.
    await closeFile().catch(() => undefined);
    await disk.unlink(path).catch(() => undefined);
    underWay.delete(path);
  };
  return {
    async write(bytes) {
      if (file === undefined) throw ioError("writing", path, new Error("the file is closed"));
      try {
        await writeFully(file, bytes, position);
      } catch (error) {
        await discard();
        // On a full disk the size is what a person must know.
        throw ioError(`writing ${position + bytes.byteLength} bytes to`, path, error);
      }
      position += bytes.byteLength;
    },
    async publish(name, keepPrevious = false) {
      const target = join(directory, name);
      try {
        if (file === undefined) throw new Error("the file is closed");
        await file.sync();
        await closeFile();
        if (keepPrevious) await rotate(disk, target, join(directory, previousName(name)));
        await disk.rename(path, target);
      } catch (error) {
        await discard();
        throw ioError("saving", target, error);
      }
      underWay.delete(path);
      // Last, because until the names are on the device a power loss can still take the new contents away.
      await step("making durable the names in", directory, () => disk.syncDirectory(directory));
    },
    discard,
  };
}

/** Replaces the contents of `name` as one durable step. */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  contents: Contents,
  keepPrevious: boolean,
): Promise<void> {
  const temporary = await createTemporary(disk, directory, name);
  for (const piece of contents instanceof Uint8Array ? [contents] : gathered(contents)) await temporary.write(piece);
  await temporary.publish(name, keepPrevious);
}

/** Pieces up to this size are written together with their neighbours: a model's many small tensors in few calls. */
const smallBytes = 1 << 16;

function* gathered(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  let held = 0;
  for (const piece of pieces) {
    if (piece.byteLength > smallBytes || held + piece.byteLength > smallBytes) {
      if (held > 0) yield joined(small);
      [small, held] = [[], 0];
    }
    if (piece.byteLength > smallBytes) yield piece;
    else {
      small.push(piece);
      held += piece.byteLength;
    }
  }
  if (held > 0) yield joined(small);
}

/** Removes temporary files that no one in this process is writing: all, or those for one name. */
export async function sweepTemporaries(disk: Disk, directory: string, purpose?: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await disk.readdir(directory);
  } catch (error) {
    throw creationError(directory, error);
  }
  const underWay = underWayOn(disk);
  for (const name of names) {
    if (!name.startsWith(temporaryPrefix)) continue;
    if (purpose !== undefined && name.slice(temporaryPrefix.length + 17) !== purpose) continue;
    const path = join(directory, name);
    if (!underWay.has(path)) await step("removing", path, () => disk.unlink(path));
  }
}

async function rotate(disk: Disk, current: string, previous: string): Promise<void> {
  try {
    await disk.rename(current, previous);
  } catch (error) {
    // Nothing to keep: the previous generation, if there is one, stays.
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
