// Reads a file that an option names.
import { readFile } from "node:fs/promises";
import { FederationError, messageOf } from "@perennial-fl/core";

/** The bytes of the file. Throws `data/invalid`, naming the option and the path. */
export async function readGiven(option: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new FederationError("data/invalid", `reading ${option} ${path}: ${reason(error)}`, { cause: error });
  }
}

/** Why the system would not open a file, in words. */
export function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  if (code === "EACCES") return "it may not be read";
  return messageOf(error);
}
