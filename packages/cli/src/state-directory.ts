// The directory that a server or client keeps its state in, made ready for it.
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { FederationError, messageOf } from "@perennial-fl/core";

/**
 * Creates the directory if only it is missing, and says whether it did. The parent is never created: a mistyped path
 * must not begin a second, empty run somewhere else. Throws `storage/directory`.
 */
export async function ensureStateDirectory(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory() === true) return false;
  if (found !== undefined) throw unusable(directory, "it is not a directory");
  const parent = dirname(resolve(directory));
  if ((await stat(parent).catch(() => undefined))?.isDirectory() !== true) {
    throw unusable(directory, `its parent directory ${parent} does not exist`);
  }
  try {
    await mkdir(directory);
  } catch (error) {
    throw unusable(directory, `it cannot be created: ${messageOf(error)}`);
  }
  return true;
}

/** For a run that must be there: creates nothing. Throws `resume/nothing` if the directory is missing. */
export async function checkRunDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined) throw new FederationError("resume/nothing", `${directory} holds no run to resume`);
  if (!found.isDirectory()) throw unusable(directory, "it is not a directory");
}

function unusable(directory: string, why: string): FederationError {
  return new FederationError("storage/directory", `--state-dir ${directory}: ${why}`);
}
