// Reads a file that an option names, as bytes or as a module.
import { readFile } from "node:fs/promises";
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";

/** The bytes of the file. Throws `data/invalid`, naming the option and the path. */
export async function readGiven(option: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new FederationError("data/invalid", `reading ${option} ${path}: ${reason(error)}`, { cause: error });
  }
}

/** The module of the file. What is wrong with it is told together with the option and the path. */
export async function readModule(option: string, path: string): Promise<OnnxModule> {
  return moduleOf(option, path, await readGiven(option, path));
}

/** The same where its bytes have been read. */
export function moduleOf(option: string, path: string, bytes: Uint8Array): OnnxModule {
  try {
    return OnnxModule.fromBytes(bytes);
  } catch (error) {
    if (!isFederationError(error)) throw error;
    throw new FederationError(error.code, `reading ${option} ${path}: ${error.message}`, { cause: error });
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
