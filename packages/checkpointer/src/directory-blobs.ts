// The blobs of a directory: files that are named by their digest, each new and never written to again.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FederationError } from "@perennial-fl/core";
import type { Disk } from "./disk.js";
import { ioError, step } from "./io-error.js";
import { blobName, isBlobName } from "./names.js";
import { digestFile } from "./read-file.js";
import type { TemporaryFile } from "./replace-file.js";
import { createTemporary } from "./replace-file.js";
import type { BlobReader, BlobWriter } from "./storage.js";

/** A file for each blob: the plain way, and the one that {@link recycledSlots} is held against. */
export function newFileBlob(disk: Disk, directory: string): BlobWriter {
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
      return { name: blobName(sha256), sha256, byteLength };
    },
    async abort() {
      ended = true;
      await temporary?.discard();
    },
  };
}

/** A blob's file for reading, whoever wrote it. */
export async function openDirectoryBlob(disk: Disk, directory: string, name: string): Promise<BlobReader | undefined> {
  if (!isBlobName(name)) return undefined;
  const path = join(directory, name);
  const entry = await step("looking at", path, () => disk.stat(path));
  if (entry?.kind !== "file") return undefined;
  // Opened for each read: a result has no moment at which it is closed, so it must not hold a descriptor.
  const readInto = (position: number, target: Uint8Array): void => {
    let done = 0;
    try {
      while (done < target.byteLength) {
        const count = disk.readSync(path, target.subarray(done), position + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw ioError("reading", path, error);
    }
    if (done < target.byteLength) throw shortBlob(path, position + target.byteLength, position + done);
  };
  return {
    byteLength: entry.byteLength,
    readInto,
    read(position, byteLength) {
      const bytes = new Uint8Array(byteLength);
      readInto(position, bytes);
      return bytes;
    },
    async sha256(byteLength) {
      const digest = await digestFile(disk, path, byteLength);
      if (digest === undefined) throw new FederationError("checkpoint/missing", `the blob ${path} is gone`);
      return digest;
    },
  };
}

export function shortBlob(name: string, wanted: number, found: number): FederationError {
  return new FederationError("checkpoint/corrupt", `the blob ${name} ends at byte ${found}, not ${wanted}`);
}
