// A client's life: connect, answer, lose the server, come back, until the server says that the run is over.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { FederationError, isFederationError, messageOf, random } from "@perennial-fl/core";
import type { Connection, ErrorCode } from "@perennial-fl/core";
import type { Storage } from "@perennial-fl/checkpointer";
import { directoryStorage } from "@perennial-fl/checkpointer";
import { PartialModel, connect as connectOverNetwork } from "@perennial-fl/transport";
import type { ChunkOptions, ConnectOptions } from "@perennial-fl/transport";
import { AnswerStore, memoryShelf } from "./answer-store.js";
import { Backoff } from "./backoff.js";
import type { BackoffOptions } from "./backoff.js";
import type { Client } from "./client.js";
import type { ClientEvent } from "./client-event.js";
import { Responder } from "./responder.js";
import { serve } from "./serve.js";
import { openStateDirectory } from "./state-directory.js";

/** A connection that may say which run its server serves. */
export type ServedConnection = Connection & { readonly run?: string | undefined };

export interface ClientOptions {
  readonly client: Client;
  /** `HOST:PORT`. Either this or `connect`. */
  readonly serverAddress?: string;
  /** Another way to the server than gRPC. Throws `connection/refused` while there is none. */
  readonly connect?: (
    clientId: string | undefined,
    signal: AbortSignal,
  ) => ServedConnection | Promise<ServedConnection>;
  /**
   * The client's lasting name. Without it the state directory's, which gets a random one at the first start; with
   * neither, the client is new with every connection, as Flower's own are.
   */
  readonly clientId?: string;
  /** Exists already. Answers and the client's state survive the process here; without it they live as long as it. */
  readonly stateDir?: string;
  /** Instead of a directory: for tests and simulations. */
  readonly storage?: Storage;
  readonly tls?: ConnectOptions["tls"];
  /** How often a silent server is asked whether it is alive; see `ConnectOptions` of the transport. Default 5 minutes. */
  readonly keepaliveMs?: number;
  /** How long parameters travel between our own peers; see `ChunkOptions` of the transport. */
  readonly chunks?: ChunkOptions;
  /** Stops the client: what is being answered is finished and kept, unless the client itself gives up. */
  readonly signal?: AbortSignal;
  readonly backoff?: BackoffOptions;
  readonly observe?: (event: ClientEvent) => void;
  /** Resolves after `ms`, or early when the signal fires. For tests and virtual time. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds from any beginning. For tests and virtual time. */
  readonly now?: () => number;
}

/**
 * Serves until the run is over or the signal fires. A lost or absent server is waited for, under the same id. Throws
 * `argument/invalid`, `storage/directory`, `storage/locked`, `plan/mismatch`, `checkpoint/corrupt` and
 * `checkpoint/newer-version` for a store that cannot be gone on from, and the connection's own error when the server
 * stays away longer than `backoff.giveUpAfterMs` or speaks something else.
 */
export async function startClient(options: ClientOptions): Promise<void> {
  const { client, stateDir, observe = () => undefined, signal = new AbortController().signal } = options;
  const connect = connector(options);
  const report = (message: string): void => {
    observe({ type: "warning", message });
  };
  const storage = options.storage ?? (stateDir === undefined ? undefined : directoryStorage(stateDir));
  const directory = storage && (await openStateDirectory(storage, options.clientId, report));
  try {
    const clientId = directory?.clientId ?? options.clientId;
    const name = clientId ?? "anonymous";
    observe({ type: "started", clientId: name, ...(stateDir !== undefined && { stateDir }) });
    const store = new AnswerStore(directory?.shelf ?? memoryShelf());
    const responder = await Responder.open({ client, clientId: name, store, signal, observe });
    const backoff = new Backoff(options.backoff ?? {}, random("back-off", clientId ?? randomUUID()));
    await live(() => connect(clientId, signal), responder, backoff, { ...options, clientId: name, observe, signal });
  } finally {
    try {
      await client.close?.();
    } finally {
      await directory?.release();
    }
  }
}

/** What a client waits out. */
const passing: readonly ErrorCode[] = ["connection/lost", "connection/refused", "connection/replaced"];

function replaced(clientId: string): string {
  return `another connection took the place of ${clientId}: if two clients run under this id, give each its own`;
}

type Life = ClientOptions & {
  readonly clientId: string;
  readonly observe: (event: ClientEvent) => void;
  readonly signal: AbortSignal;
};

async function live(
  connect: () => ServedConnection | Promise<ServedConnection>,
  responder: Responder,
  backoff: Backoff,
  {
    clientId,
    observe,
    signal,
    sleep = sleepReally,
    now = () => performance.now(),
    backoff: { giveUpAfterMs = Infinity } = {},
  }: Life,
): Promise<void> {
  const stopped = (): boolean => signal.aborted;
  let absentSince: number | undefined;
  while (!stopped()) {
    let ms: number;
    let spoke = false as boolean;
    try {
      const seconds = await serve(await connect(), responder, {
        observe,
        signal,
        onContact: () => {
          absentSince = undefined;
          spoke = true;
        },
      });
      if (seconds === undefined) continue;
      backoff.reset();
      if (seconds <= 0) {
        observe({ type: "finished", reason: "server" });
        return;
      }
      ms = seconds * 1000;
      observe({ type: "waiting", ms, reason: "told" });
    } catch (error) {
      if (stopped()) break;
      if (!isFederationError(error) || !passing.includes(error.code)) throw error;
      observe({ type: "disconnected", message: messageOf(error) });
      // Two clients under one id would throw each other out for ever, and ever faster if that counted as a good stay.
      if (error.code === "connection/replaced") observe({ type: "warning", message: replaced(clientId) });
      else if (spoke) backoff.reset();
      absentSince ??= now();
      ms = backoff.next();
      if (now() + ms - absentSince > giveUpAfterMs) throw error;
      observe({ type: "waiting", ms, reason: "back-off" });
    }
    await sleep(ms, signal);
  }
  observe({ type: "finished", reason: "stopped" });
}

function connector({
  serverAddress,
  connect,
  tls,
  keepaliveMs,
  chunks,
}: ClientOptions): NonNullable<ClientOptions["connect"]> {
  if ((serverAddress === undefined) === (connect === undefined)) {
    throw new FederationError("argument/invalid", "starting a client: give either serverAddress or connect");
  }
  if (connect !== undefined) return connect;
  const address = serverAddress as string;
  const partialModel = new PartialModel();
  return (clientId, signal) =>
    connectOverNetwork({
      serverAddress: address,
      signal,
      partialModel,
      ...(clientId !== undefined && { clientId }),
      ...(tls && { tls }),
      ...(keepaliveMs !== undefined && { keepaliveMs }),
      ...chunks,
    });
}

async function sleepReally(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
