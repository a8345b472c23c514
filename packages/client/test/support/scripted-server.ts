// A server that says what a script says, stay after stay.
import { FederationError } from "@perennial-fl/core";
import type { Instruction, Parameters, Reply } from "@perennial-fl/core";
import type { ServedConnection } from "../../src/index.js";

/** `absent`: cannot be reached. `loseReply`: the connection is lost when the client answers this one (from 0). */
export type Stay =
  | "absent"
  | {
      readonly asks: readonly Instruction[];
      readonly run?: string;
      readonly then: "ends" | "is replaced" | "loses" | "says goodbye" | "stays silent";
      readonly loseReply?: number;
    };

export interface ScriptedServer {
  readonly connect: (clientId: string | undefined) => ServedConnection;
  readonly replies: Reply<Parameters>[];
  readonly ids: (string | undefined)[];
}

export function scriptedServer(stays: readonly Stay[]): ScriptedServer {
  const left = [...stays];
  const replies: Reply<Parameters>[] = [];
  const ids: (string | undefined)[] = [];
  return {
    replies,
    ids,
    connect(clientId) {
      ids.push(clientId);
      const stay = left.shift();
      if (stay === undefined) throw new Error("the script is over and the client came again");
      if (stay === "absent") throw new FederationError("connection/refused", "no server is there");
      return connection(stay, replies);
    },
  };
}

function connection(stay: Exclude<Stay, "absent">, replies: Reply<Parameters>[]): ServedConnection {
  const lost = (): FederationError => new FederationError("connection/lost", "the script cut the connection");
  let close = (): void => undefined;
  const closed = new Promise<void>((resolve) => (close = resolve));
  let count = 0;
  return {
    run: stay.run,
    async *instructions() {
      yield* stay.asks;
      if (stay.then === "says goodbye") yield { type: "reconnect", seconds: 0 };
      if (stay.then === "is replaced") throw new FederationError("connection/replaced", "a has connected again");
      if (stay.then === "loses") throw lost();
      if (stay.then === "stays silent") await closed;
    },
    reply(reply) {
      if (count++ === stay.loseReply) return Promise.reject(lost());
      replies.push(reply);
      return Promise.resolve();
    },
    close() {
      close();
      return Promise.resolve();
    },
  };
}
