// Loads the ES module that an option names, and says in one form what fails in it.
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { FederationError, messageOf } from "@perennial-fl/core";
import type { ErrorCode } from "@perennial-fl/core";
import { reason } from "./given-file.js";

/** Which option names a file, and the code of what fails in it. */
interface Whose {
  readonly option: string;
  readonly code: ErrorCode;
}

/** The exports of the file at `path`. Throws `argument/invalid` if there is no such file, and the code if it fails. */
export async function importApp(
  path: string,
  { option, code }: Whose = { option: "--app", code: "client/failed" },
): Promise<Readonly<Record<string, unknown>>> {
  const found = await stat(path).catch((error: unknown) => {
    throw new FederationError("argument/invalid", `reading ${option} ${path}: ${reason(error)}`);
  });
  if (!found.isFile()) throw new FederationError("argument/invalid", `reading ${option} ${path}: it is not a file`);
  const url = pathToFileURL(resolve(path)).href;
  const load = async () => (await import(url)) as Readonly<Record<string, unknown>>;
  return attempt(`loading ${option} ${path}`, load, code);
}

/** Does what a file of the user's does: a `FederationError` passes, and anything else gets the code. */
export async function attempt<T>(
  doing: string,
  act: () => T | Promise<T>,
  code: ErrorCode = "client/failed",
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof FederationError) throw error;
    throw new FederationError(code, `${doing} failed: ${messageOf(error)}`, { cause: error });
  }
}
