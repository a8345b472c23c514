// A client's directory: one process at a time, one client id for ever.
import { randomUUID } from "node:crypto";
import { FederationError, checkedSchema } from "@perennial-fl/core";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { Storage } from "@perennial-fl/checkpointer";
import type { Shelf } from "./answer-store.js";

const identityName = "client-identity";
const schema = 1;

export interface StateDirectory {
  readonly clientId: string;
  readonly shelf: Shelf;
  /** Lets the next process in. */
  release(): Promise<void>;
}

/**
 * Takes an existing directory for a client. Without `clientId` the client gets the id that the directory has, or a
 * random one that it keeps. Throws `storage/directory`, `storage/locked` while another process has the directory,
 * `checkpoint/newer-version`, and `plan/mismatch` if it belongs to another client.
 */
export async function openStateDirectory(
  storage: Storage,
  clientId: string | undefined,
  report: (message: string) => void,
): Promise<StateDirectory> {
  const { location } = storage;
  await storage.check();
  const lock = await storage.lock();
  try {
    const shelf = checkpointerShelf(new PerRoundStateCheckpointer(location, { storage, report }));
    return { clientId: await identify(shelf, location, clientId), shelf, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function identify(shelf: Shelf, location: string, asked: string | undefined): Promise<string> {
  const saved = await shelf.load(identityName);
  if (saved === undefined) {
    const clientId = asked ?? randomUUID();
    await shelf.save(identityName, { kind: identityName, schema, clientId });
    return clientId;
  }
  const { clientId, schema: version } = saved;
  checkedSchema(version, schema, `${identityName} in ${location}`);
  if (typeof clientId !== "string") {
    throw new FederationError("checkpoint/corrupt", `reading ${identityName} in ${location}: it names no client`);
  }
  if (asked !== undefined && asked !== clientId) {
    throw new FederationError(
      "plan/mismatch",
      `the state directory ${location} belongs to the client ${clientId}, and ${asked} was to use it`,
    );
  }
  return clientId;
}

function checkpointerShelf(checkpointer: PerRoundStateCheckpointer): Shelf {
  return {
    async load(name) {
      return (await checkpointer.checkpointExists(name)) ? checkpointer.loadCheckpoint(name) : undefined;
    },
    save: (name, state) => checkpointer.saveCheckpoint(name, state),
  };
}
