// A fleet and its clients in one process: the behaviour of the network's transport without the network.
import { FederationError, pour } from "@perennial-fl/core";
import type { Connection, Fleet, OpenSink, Parameters, Reply } from "@perennial-fl/core";
import { carriedInstruction, carriedReply } from "./carried.js";
import { anonymousId, checkClientId } from "./client-id.js";
import { Inbox } from "./inbox.js";
import { Roster } from "./roster.js";
import type { Seat } from "./seat.js";

export interface InMemoryFleet {
  readonly fleet: Fleet;
  /** A client with its own id, or an unidentified one as a stock Flower client is. Throws `connection/refused` after `close`. */
  connect(clientId?: string): ServedConnection;
}

/** A {@link Connection} to a server that may say which run it serves. */
export interface ServedConnection extends Connection {
  /** The server's run, known with the first instruction at the latest; `undefined` at a stock Flower server. */
  readonly run: string | undefined;
}

/** Where updates rest, and the run that clients are told of. */
export interface InMemoryOptions {
  readonly openSink: OpenSink;
  readonly run?: string;
}

/** A fleet whose clients are in this process. What is said passes through the wire's rules for scalars and losses. */
export function inMemoryFleet({ openSink, run }: InMemoryOptions): InMemoryFleet {
  const roster = new Roster(openSink);
  return {
    fleet: roster,
    connect(clientId) {
      const client = clientId === undefined ? anonymousId() : checkClientId(clientId);
      const close = (): Promise<void> => {
        seat.leave("the client closed the connection");
        inbox.end();
        return Promise.resolve();
      };
      const inbox = new Inbox(close);
      const seat: Seat = roster.join({
        client,
        identified: clientId !== undefined,
        send: (instruction) => {
          inbox.push(carriedInstruction(instruction));
        },
        end: ({ reason, message }) => {
          const code = reason === "replaced" ? "connection/replaced" : "connection/lost";
          inbox.end(new FederationError(code, `the connection to the server in memory was lost: ${message}`));
        },
      });
      return {
        run: clientId === undefined ? undefined : run,
        instructions: () => inbox.instructions(),
        reply: (reply) => deliver(reply, seat, inbox),
        close,
      };
    },
  };
}

/** Async, so that a reply that cannot be sent rejects as it does over the network. */
async function deliver(reply: Reply<Parameters>, seat: Seat, inbox: Inbox): Promise<void> {
  if (inbox.lost !== undefined) throw inbox.lost;
  const carried = await Promise.resolve(carriedReply(reply));
  void seat.hear(async (openUpdate) =>
    carried.type === "fit" || carried.type === "parameters"
      ? { ...carried, update: await pour(carried.update, openUpdate(carried.type)) }
      : carried,
  );
  inbox.answered();
}
