// Storage in one directory of a disk.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { FederationError } from "@perennial-fl/core";
import { openDirectoryLog } from "./directory-log.js";
import type { Disk } from "./disk.js";
import { nodeDisk, systemCode } from "./disk.js";
import { directoryError, ioError, step } from "./io-error.js";
import { lockDirectory } from "./lock.js";
import { blobName, checkName, corruptName, isBlobName, previousName, temporaryPrefix } from "./names.js";
import { digestFile, readWhole } from "./read-file.js";
import type { TemporaryFile } from "./replace-file.js";
import { createTemporary, replaceFile, sweepTemporaries } from "./replace-file.js";
import type { BlobReader, BlobWriter, Generation, Storage } from "./storage.js";

/** Storage in `directory`, which must exist; that is checked at the first call. */
export function directoryStorage(directory: string, options: { readonly disk?: Disk } = {}): Storage {
  const { disk = nodeDisk } = options;
  const location = canonical(directory);

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
    createBlob: () => blobWriter(disk, location),
    openBlob: (name) => openDirectoryBlob(disk, location, name),
    blobs: async () => (await names()).filter(isBlobName),
    removeBlobs: (found) => asynchronously(() => unlinkAll(found.filter(isBlobName))),
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

function blobWriter(disk: Disk, directory: string): BlobWriter {
  const hash = createHash("sha256");
  let byteLength = 0;
  let temporary: TemporaryFile | undefined;
  let ended = false;
  const file = async (): Promise<TemporaryFile> => {
    if (ended) throw ioError("writing a blob in", directory, new Error("the blob is closed"));
    return (temporary ??= await createTemporary(disk, directory, "blob"));
  };
  return {
    async write(chunk) {
      const target = await file();
      hash.update(chunk);
      await target.write(chunk);
      byteLength += chunk.byteLength;
    },
    async close() {
      const target = await file();
      ended = true;
      const sha256 = hash.digest("hex");
      await target.publish(blobName(sha256));
      temporary = undefined;
      return { name: blobName(sha256), sha256, byteLength };
    },
    async abort() {
      ended = true;
      const target = temporary;
      temporary = undefined;
      await target?.discard();
    },
  };
}

async function openDirectoryBlob(disk: Disk, directory: string, name: string): Promise<BlobReader | undefined> {
  if (!isBlobName(name)) return undefined;
  const path = join(directory, name);
  const entry = await step("looking at", path, () => disk.stat(path));
  if (entry?.kind !== "file") return undefined;
  return {
    byteLength: entry.byteLength,
    // Opened for each read: a result has no moment at which it is closed, so it must not hold a descriptor.
    read(position, byteLength) {
      const bytes = new Uint8Array(byteLength);
      let done = 0;
      try {
        while (done < byteLength) {
          const count = disk.readSync(path, bytes.subarray(done), position + done);
          if (count === 0) break;
          done += count;
        }
      } catch (error) {
        throw ioError("reading", path, error);
      }
      if (done < byteLength) throw shortBlob(path, position + byteLength, position + done);
      return bytes;
    },
    async sha256() {
      const digest = await digestFile(disk, path);
      if (digest === undefined) throw new FederationError("checkpoint/missing", `the blob ${path} is gone`);
      return digest;
    },
  };
}

export function shortBlob(name: string, wanted: number, found: number): FederationError {
  return new FederationError("checkpoint/corrupt", `the blob ${name} ends at byte ${found}, not ${wanted}`);
}
