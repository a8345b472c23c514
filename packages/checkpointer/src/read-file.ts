// Reads whole files. Only regular files are files: a directory or a symbolic link under a name is not a checkpoint.
import { createHash } from "node:crypto";
import { FederationError } from "@perennial-fl/core";
import type { Disk, DiskFile } from "./disk.js";
import { readFully } from "./disk.js";
import { step } from "./io-error.js";

/** All bytes of the file at `path`, or `undefined` if nothing is there. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  return withFile(disk, path, async (file, byteLength) => {
    const bytes = new Uint8Array(byteLength);
    const count = await readFully(file, bytes, 0);
    return bytes.subarray(0, count);
  });
}

/** The SHA-256 of the first `byteLength` bytes of the file at `path`, or of all that it has of them, read in pieces. */
export async function digestFile(disk: Disk, path: string, byteLength: number): Promise<string | undefined> {
  return withFile(disk, path, async (file) => {
    const hash = createHash("sha256");
    const buffer = new Uint8Array(1 << 20);
    for (let position = 0; ;) {
      const piece = buffer.subarray(0, byteLength - position);
      const count = await readFully(file, piece, position);
      hash.update(piece.subarray(0, count));
      position += count;
      if (position === byteLength || count < piece.byteLength) return hash.digest("hex");
    }
  });
}

async function withFile<T>(
  disk: Disk,
  path: string,
  use: (file: DiskFile, byteLength: number) => Promise<T>,
): Promise<T | undefined> {
  return step("reading", path, async () => {
    // Looked at first, because opening a pipe would wait for its other end.
    const entry = await disk.stat(path);
    if (entry === undefined) return undefined;
    if (entry.kind !== "file") throw notAFile(path, entry.kind);
    const file = await disk.open(path, "read");
    try {
      return await use(file, entry.byteLength);
    } finally {
      await file.close();
    }
  });
}

export function notAFile(path: string, kind: "directory" | "other"): FederationError {
  const what = kind === "directory" ? "a directory" : "a link or a device";
  return new FederationError("checkpoint/missing", `${path} is ${what}, not a checkpoint`);
}
