// The app file of `perennial client`: finds the client in it, and says what is wrong with one that has none.
import { FederationError } from "@perennial-fl/core";
import type { Client } from "@perennial-fl/client";
import { attempt, importApp } from "./app-file.js";

/** What an app is told about the client that it is to make. */
export interface AppArguments {
  /** `--id`. */
  readonly id: string;
  /** `--state-dir`; exists. The client's own files may stand here too. */
  readonly stateDir: string;
  /** What stands after `--`. */
  readonly arguments: readonly string[];
}

/** What an app file exports, as its default or as `client`. */
export type App = Client | ((given: AppArguments) => Client | Promise<Client>);

/**
 * What makes the client of an app file. Throws `argument/invalid` if there is no such file, or it exports no client, and
 * `client/failed` if it fails while it is loaded or makes its client; a `FederationError` of the app passes as it is.
 */
export async function loadApp(path: string): Promise<(given: AppArguments) => Promise<Client>> {
  const exported = appOf(await importApp(path), path);
  if (typeof exported !== "function") {
    const client = checkClient(exported, `--app ${path} exports a client that`);
    return () => Promise.resolve(client);
  }
  const make = exported as (given: AppArguments) => unknown;
  return async (given) =>
    checkClient(
      await attempt(`making the client of --app ${path}`, () => make(given)),
      `--app ${path} made a client that`,
    );
}

function appOf(module: Readonly<Record<string, unknown>>, path: string): unknown {
  const exported = module["default"] ?? module["client"];
  if (exported !== undefined) return exported;
  const names = Object.keys(module);
  const found = names.length === 0 ? "it exports nothing" : `it exports ${names.join(", ")}`;
  throw invalid(`--app ${path} must export a client as its default or as "client", and ${found}`);
}

function checkClient(made: unknown, whose: string): Client {
  if (typeof made !== "object" || made === null) {
    throw invalid(`${whose} is ${made === null ? "null" : typeof made}, not an object with fit and evaluate`);
  }
  for (const method of ["fit", "evaluate"] as const) {
    const found: unknown = (made as Partial<Record<string, unknown>>)[method];
    if (typeof found !== "function")
      throw invalid(`${whose} has no function ${method}: its ${method} is ${typeof found}`);
  }
  return made as Client;
}

function invalid(message: string): FederationError {
  return new FederationError("argument/invalid", message);
}
