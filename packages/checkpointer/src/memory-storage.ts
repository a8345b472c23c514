// Storage in memory: for tests, for simulations, and as the shortest statement of what a storage is.
import { createHash } from "node:crypto";
import { FederationError } from "@perennial-fl/core";
import { sameBytes } from "./directory-log.js";
import { shortBlob } from "./directory-blobs.js";
import { joined } from "./joined.js";
import { blobName, checkName, corruptName, isBlobName, previousName } from "./names.js";
import type { BlobReader, BlobWriter, Generation, Storage, StorageLog } from "./storage.js";

/** Storage that lasts as long as the object. */
export function memoryStorage(): Storage {
  const location = "memory";
  const files = new Map<string, Uint8Array>();
  const blobs = new Map<string, Uint8Array>();
  const logs = new Map<string, Uint8Array[]>();
  let locked = false;

  const fileOf = (name: string, generation: Generation): string =>
    generation === "current" ? checkName(name) : previousName(checkName(name));

  const storage: Storage = {
    location,
    free: () => Promise.resolve(undefined),
    unsynced: () => storage,
    check: () => Promise.resolve(),
    lock: () => {
      if (locked) {
        return Promise.reject(new FederationError("storage/locked", `${location} is in use by process ${process.pid}`));
      }
      locked = true;
      return Promise.resolve({
        release: () => {
          locked = false;
          return Promise.resolve();
        },
      });
    },
    replace: promised((name, contents, { keepPrevious = false } = {}) => {
      const current = files.get(checkName(name));
      if (keepPrevious && current !== undefined) files.set(previousName(name), current);
      files.set(name, joined(contents));
    }),
    read: promised((name, generation = "current") => files.get(fileOf(name, generation))?.slice()),
    setAside: promised((name, generation = "current") => {
      const from = fileOf(name, generation);
      const bytes = files.get(from);
      if (bytes === undefined) throw new FederationError("storage/io", `setting aside ${from}: it does not exist`);
      let count = 1;
      while (files.has(corruptName(from, count))) count++;
      files.delete(from);
      files.set(corruptName(from, count), bytes);
      return corruptName(from, count);
    }),
    list: promised(() => [...files.keys(), ...logs.keys()].filter((name) => !name.endsWith(".previous")).sort()),
    remove: promised((name) => {
      files.delete(checkName(name));
      files.delete(previousName(name));
      logs.delete(name);
    }),
    sweep: promised((name) => void checkName(name)),
    openLog: promised((name) => memoryLog(logs, checkName(name))),
    createBlob: () => memoryBlob(blobs),
    openBlob: promised((name) => {
      const bytes = blobs.get(name);
      return bytes === undefined ? undefined : blobReader(name, bytes);
    }),
    blobs: promised(() => [...blobs.keys()].sort()),
    removeBlobs: promised((names) => {
      for (const name of names) if (isBlobName(name)) blobs.delete(name);
    }),
    removeSpares: () => Promise.resolve(),
  };
  return storage;
}

/** The asynchronous form of a function: what it throws becomes a rejection. */
function promised<A extends unknown[], R>(run: (...values: A) => R): (...values: A) => Promise<R> {
  return (...values) =>
    new Promise((resolve) => {
      resolve(run(...values));
    });
}

function memoryLog(logs: Map<string, Uint8Array[]>, name: string): StorageLog {
  const records: Uint8Array[] = [...(logs.get(name) ?? [])];
  const deposed = (at: number): FederationError =>
    new FederationError("storage/deposed", `another writer has gone on with the log ${name} at record ${at}`);
  let superseded = false;
  const look = (): void => {
    if (superseded) return;
    const kept = logs.get(name) ?? [];
    superseded = kept.length !== records.length || !records.every((record, at) => sameBytes(record, kept[at]));
    if (superseded && records.every((record, at) => sameBytes(record, kept[at]))) {
      records.push(...kept.slice(records.length));
    }
  };
  return {
    records,
    append: promised((at, record) => {
      look();
      if (at < records.length && sameBytes(records[at], record)) return;
      if (superseded || at !== records.length) throw deposed(at);
      records.push(record.slice());
      logs.set(name, [...records]);
    }),
    clear: promised(() => {
      look();
      if (superseded) throw deposed(records.length);
      logs.delete(name);
      records.length = 0;
    }),
    close: () => Promise.resolve(),
  };
}

function memoryBlob(blobs: Map<string, Uint8Array>): BlobWriter {
  const chunks: Uint8Array[] = [];
  let open = true;
  const checkOpen = (): void => {
    if (!open) throw new FederationError("storage/io", "writing a blob in memory: the blob is closed");
  };
  return {
    write: promised((chunk) => {
      checkOpen();
      chunks.push(chunk.slice());
    }),
    close: promised(() => {
      checkOpen();
      open = false;
      const bytes = Uint8Array.from(Buffer.concat(chunks));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      blobs.set(blobName(sha256), bytes);
      return { name: blobName(sha256), sha256, byteLength: bytes.byteLength };
    }),
    abort: promised(() => {
      open = false;
      chunks.length = 0;
    }),
  };
}

function blobReader(name: string, bytes: Uint8Array): BlobReader {
  const part = (position: number, byteLength: number): Uint8Array => {
    if (position + byteLength > bytes.byteLength) throw shortBlob(name, position + byteLength, bytes.byteLength);
    return bytes.subarray(position, position + byteLength);
  };
  return {
    byteLength: bytes.byteLength,
    read: (position, byteLength) => part(position, byteLength).slice(),
    readInto: (position, target) => {
      target.set(part(position, target.byteLength));
    },
    sha256: (byteLength) => Promise.resolve(createHash("sha256").update(bytes.subarray(0, byteLength)).digest("hex")),
  };
}
