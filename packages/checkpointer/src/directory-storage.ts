// Storage in one directory of a disk.
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { newFileBlob, openDirectoryBlob } from "./directory-blobs.js";
import { openDirectoryLog } from "./directory-log.js";
import type { Disk } from "./disk.js";
import { systemCode } from "./disk.js";
import { nodeDisk } from "./node-disk.js";
import { directoryError, ioError, step } from "./io-error.js";
import { lockDirectory } from "./lock.js";
import { checkName, corruptName, isBlobName, previousName, temporaryPrefix } from "./names.js";
import { readWhole } from "./read-file.js";
import { recycledSlots } from "./recycled-slots.js";
import { replaceFile, sweepTemporaries } from "./replace-file.js";
import type { Generation, Storage } from "./storage.js";
import { unsyncedDisk } from "./unsynced-disk.js";

export interface DirectoryStorageOptions {
  readonly disk?: Disk;
  /**
   * Where blobs rest: each in a `new-file`, or in `recycled-slots`, files that are written over once their blob is
   * removed. Slots are faster and take the place of the most blobs that there ever were. Default `new-file`.
   */
  readonly blobs?: "new-file" | "recycled-slots";
}

/** Storage in `directory`, which must exist; that is checked at the first call. */
export function directoryStorage(directory: string, options: DirectoryStorageOptions = {}): Storage {
  const { disk = nodeDisk, blobs = "new-file" } = options;
  const location = canonical(directory);
  const slots = blobs === "recycled-slots" ? recycledSlots(disk, location) : undefined;

  const look = async (): Promise<string> => {
    try {
      const entry = await disk.stat(location);
      if (entry?.kind === "directory") return entry.identity;
      throw Object.assign(new Error("it is missing"), { code: entry === undefined ? "ENOENT" : "ENOTDIR" });
    } catch (error) {
      throw directoryError(location, error);
    }
  };
  const check = async (): Promise<string> => {
    const identity = await look();
    try {
      await disk.checkWritable(location);
    } catch (error) {
      throw directoryError(location, error);
    }
    return identity;
  };
  const names = async (): Promise<readonly string[]> => {
    try {
      return [...(await disk.readdir(location))].sort();
    } catch (error) {
      throw systemCode(error) === "ENOENT" ? directoryError(location, error) : ioError("listing", location, error);
    }
  };
  const unlinkAll = async (found: readonly string[]): Promise<void> => {
    let removed = 0;
    for (const name of found) {
      const path = join(location, name);
      if ((await step("looking at", path, () => disk.stat(path))) === undefined) continue;
      await step("removing", path, () => disk.unlink(path));
      removed++;
    }
    if (removed > 0) await step("making durable the names in", location, () => disk.syncDirectory(location));
  };
  const fileOf = (name: string, generation: Generation): string =>
    generation === "current" ? checkName(name) : previousName(checkName(name));

  return {
    location,
    async check() {
      await check();
    },
    async lock() {
      const identity = await check();
      const lock = await (disk.lock?.(location) ?? lockDirectory(location, identity));
      try {
        await sweepTemporaries(disk, location);
        // The owner before may have ended between a rename and its durability: nobody goes on from names in the air.
        await step("making durable the names in", location, () => disk.syncDirectory(location));
      } catch (error) {
        await lock.release();
        throw error;
      }
      return lock;
    },
    replace: (name, contents, { keepPrevious = false } = {}) =>
      asynchronously(() => replaceFile(disk, location, checkName(name), contents, keepPrevious)),
    read: (name, generation = "current") =>
      asynchronously(async () => {
        const bytes = await readWhole(disk, join(location, fileOf(name, generation)));
        if (bytes === undefined) await look();
        return bytes;
      }),
    async setAside(name, generation = "current") {
      const from = fileOf(name, generation);
      const present = new Set(await names());
      let count = 1;
      while (present.has(corruptName(from, count))) count++;
      const to = corruptName(from, count);
      await step("setting aside", join(location, from), () => disk.rename(join(location, from), join(location, to)));
      await step("making durable the names in", location, () => disk.syncDirectory(location));
      return to;
    },
    async list() {
      return (await names()).filter(
        (name) => !name.startsWith(temporaryPrefix) && !isBlobName(name) && !name.endsWith(".previous"),
      );
    },
    remove: (name) => asynchronously(() => unlinkAll([checkName(name), previousName(name)])),
    sweep: (name) => asynchronously(() => sweepTemporaries(disk, location, checkName(name))),
    openLog: (name) =>
      asynchronously(async () => {
        await look();
        return openDirectoryLog(disk, location, checkName(name));
      }),
    async free() {
      const free = await step("looking for space in", location, async () => disk.free?.(location));
      if (free === undefined) return undefined;
      const spare = (slots?.spareNames() ?? []).map((name) => disk.stat(join(location, name)));
      return (await Promise.all(spare)).reduce((sum, entry) => sum + (entry?.byteLength ?? 0), free);
    },
    unsynced: () => directoryStorage(location, { ...options, disk: unsyncedDisk(disk) }),
    createBlob: () => slots?.createBlob() ?? newFileBlob(disk, location),
    openBlob: (name) => openDirectoryBlob(disk, location, name),
    blobs: async () => (await names()).filter((name) => isBlobName(name) && slots?.isEmpty(name) !== true),
    removeBlobs: (found) =>
      asynchronously(() => {
        const removed = found.filter(isBlobName);
        return unlinkAll(slots?.recycle(removed) ?? removed);
      }),
    removeSpares: () => asynchronously(() => unlinkAll(slots?.takeSpares() ?? [])),
  };
}

/** Where the directory really is: it may be named through a symbolic link, as its files may not. */
function canonical(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    // It is missing, or not on this machine's disk: the first call says so.
    return resolve(directory);
  }
}

/** A name that is refused rejects the promise like any other failure, and does not throw before there is one. */
async function asynchronously<T>(run: () => Promise<T>): Promise<T> {
  return run();
}
