// Loads the ES module that `--app` names, and says in one form what fails in it.
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { FederationError, messageOf } from "@perennial-fl/core";
import { reason } from "./given-file.js";

/** The exports of the app file at `path`. Throws `argument/invalid` if there is no such file, `client/failed` if it fails. */
export async function importApp(path: string): Promise<Readonly<Record<string, unknown>>> {
  const found = await stat(path).catch((error: unknown) => {
    throw new FederationError("argument/invalid", `reading --app ${path}: ${reason(error)}`);
  });
  if (!found.isFile()) throw new FederationError("argument/invalid", `reading --app ${path}: it is not a file`);
  const url = pathToFileURL(resolve(path)).href;
  return attempt(`loading --app ${path}`, async () => (await import(url)) as Readonly<Record<string, unknown>>);
}

/** Does what an app does: a `FederationError` passes, and anything else becomes `client/failed`. */
export async function attempt<T>(doing: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof FederationError) throw error;
    throw new FederationError("client/failed", `${doing} failed: ${messageOf(error)}`, { cause: error });
  }
}
