// Turns a system error into one of ours: what was being done, to what, and why it failed.
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import { systemCode } from "./disk.js";

/** Codes that say that the directory, not the device, is wrong. */
const directoryCodes = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS"]);

/** `storage/io`, unless `cause` is already one of our errors. */
export function ioError(doing: string, path: string, cause: unknown): FederationError {
  if (isFederationError(cause)) return cause;
  return new FederationError("storage/io", `${doing} ${path}: ${messageOf(cause)}`, { cause });
}

/** The error of creating a file: `storage/directory` where the directory is missing or not to be written to. */
export function creationError(directory: string, cause: unknown): FederationError {
  const code = systemCode(cause);
  return code !== undefined && directoryCodes.has(code)
    ? directoryError(directory, cause)
    : ioError("creating a file in", directory, cause);
}

export function directoryError(directory: string, cause: unknown): FederationError {
  const code = systemCode(cause);
  const problem =
    code === "ENOENT"
      ? "does not exist, and is not created"
      : code === "ENOTDIR"
        ? "is not a directory"
        : `cannot be written to (${messageOf(cause)})`;
  return new FederationError("storage/directory", `the directory ${directory} ${problem}`, { cause });
}

/** Runs one step, and gives its failure our words. */
export async function step<T>(doing: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw ioError(doing, path, error);
  }
}
