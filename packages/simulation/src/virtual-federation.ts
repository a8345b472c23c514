// A federation of virtual clients in one process and in real time: the real server, and clients that really train.
import { FederationError } from "@perennial-fl/core";
import { startClient } from "@perennial-fl/client";
import type { Client, ClientEvent } from "@perennial-fl/client";
import { startServer } from "@perennial-fl/server";
import type { Outcome, ServerOptions } from "@perennial-fl/server";
import { inMemoryFleet } from "@perennial-fl/transport";
import type { InMemoryFleet } from "@perennial-fl/transport";

/** A client that lives in this process. */
export interface VirtualParticipant {
  readonly id: string;
  readonly client: Client;
  /** Exists already. Without it what the client remembers lasts as long as the process. */
  readonly stateDir?: string;
}

/** A server's options but those of a network. */
export type VirtualFederationOptions = Omit<
  ServerOptions,
  "address" | "onListening" | "openFleet" | "tls" | "transport"
> & {
  readonly participants: readonly VirtualParticipant[];
  /** So many clients train or evaluate at one time; the others wait their turn. Default: all. */
  readonly atOnce?: number;
  readonly observeClient?: (id: string, event: ClientEvent) => void;
};

/**
 * Runs the plan to its end with all clients in this process, over the fleet in memory. Everything durable of the server
 * is as it is over a network: the run can be stopped, killed and resumed. Throws what `startServer` and `startClient`
 * throw, and `argument/invalid` for two clients under one id.
 */
export async function runVirtualFederation(options: VirtualFederationOptions): Promise<Outcome> {
  const { participants, atOnce = participants.length, observeClient, signal, ...server } = options;
  checkParticipants(participants, atOnce);
  const inTurn = turns(atOnce);
  const broken = new AbortController();
  const lives = participants.map((participant) => virtualLife(participant, inTurn, observeClient));
  let living: Promise<PromiseSettledResult<void>[]> | undefined;
  const served = await settled(
    startServer({
      ...server,
      signal: signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]),
      openFleet: (openSink, run) => {
        const memory = inMemoryFleet({ openSink, run });
        const live = async ({ live: begin }: VirtualLife): Promise<void> => {
          try {
            await begin(memory);
          } catch (error) {
            // A federation that lacks a client would wait for it; the run can be resumed.
            broken.abort();
            throw error;
          }
        };
        living = Promise.allSettled(lives.map(live));
        return memory.fleet;
      },
    }),
  );
  for (const { leave } of lives) leave();
  const failed = (await living)?.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  // The server could not begin, and nobody has closed the clients.
  if (living === undefined) for (const { client } of participants) await client.close?.();
  if (served.status === "rejected") throw served.reason;
  return served.value;
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise]);
  return result;
}

interface VirtualLife {
  readonly live: (memory: InMemoryFleet) => Promise<void>;
  readonly leave: () => void;
}

function virtualLife(
  { id, client, stateDir }: VirtualParticipant,
  inTurn: <T>(work: () => Promise<T>) => Promise<T>,
  observe: VirtualFederationOptions["observeClient"],
): VirtualLife {
  const leaving = new AbortController();
  return {
    live: (memory) =>
      startClient({
        clientId: id,
        client: working(client, inTurn),
        connect: () => memory.connect(id),
        signal: leaving.signal,
        observe: (event) => observe?.(id, event),
        ...(stateDir !== undefined && { stateDir }),
      }),
    leave: () => {
      leaving.abort();
    },
  };
}

/** The same client, of which the two methods that work wait their turn. */
function working(client: Client, inTurn: <T>(work: () => Promise<T>) => Promise<T>): Client {
  return {
    fit: (...given) => inTurn(async () => client.fit(...given)),
    evaluate: (...given) => inTurn(async () => client.evaluate(...given)),
    ...(client.getProperties && { getProperties: client.getProperties.bind(client) }),
    ...(client.getParameters && { getParameters: client.getParameters.bind(client) }),
    ...(client.save && { save: client.save.bind(client) }),
    ...(client.load && { load: client.load.bind(client) }),
    ...(client.close && { close: client.close.bind(client) }),
  };
}

/** Runs at most so many at one time, in the order in which they were asked for. */
function turns(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The turn goes straight to the next in line.
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

function checkParticipants(participants: readonly VirtualParticipant[], atOnce: number): void {
  const ids = participants.map(({ id }) => id);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) throw new FederationError("argument/invalid", `two virtual clients have the id ${twice}`);
  if (!Number.isSafeInteger(atOnce) || atOnce < 1) {
    throw new FederationError("argument/invalid", `atOnce is a whole number of clients from 1, not ${atOnce}`);
  }
}
