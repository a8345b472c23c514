// A fleet without network or clock: clients that answer at once, in an order that a seed shuffles.
import { permutation, pour, random } from "@perennial-fl/core";
import type {
  ClientId,
  Fleet,
  FleetEvent,
  Instruction,
  Metrics,
  OpenSink,
  Parameters,
  Reply,
  RequestKey,
} from "@perennial-fl/core";

export interface Fitted {
  readonly parameters: Parameters;
  readonly numExamples: number;
  readonly metrics?: Metrics;
}

/** A client as a pure function of what it is asked. */
export interface ScriptedClient {
  readonly id: ClientId;
  /** A text is a refusal. */
  fit(parameters: Parameters, key: RequestKey): Fitted | string;
  evaluate(parameters: Parameters, key: RequestKey): { loss: number; numExamples: number };
}

export interface FleetOptions {
  readonly clients: readonly ScriptedClient[];
  readonly openSink: OpenSink;
  /** Decides in which order answers arrive. */
  readonly arrival: number;
  /** Called when a client is asked: a retrained answer shows here. */
  readonly onAsked?: (client: ClientId, key: RequestKey) => void;
  /** Every answer arrives so many times (default 1): a repeated reply must not count twice. */
  readonly copies?: number;
}

/** All clients join at once; each instruction is answered before the next event is looked at, in shuffled order. */
export function scriptedFleet({ clients, openSink, arrival, onAsked, copies = 1 }: FleetOptions): Fleet {
  const draw = random("arrival", arrival);
  const byId = new Map(clients.map((client) => [client.id, client]));
  let asked: { client: ScriptedClient; instruction: Instruction }[] = [];
  const here = new Set(byId.keys());
  let closed = false;

  async function* events(): AsyncGenerator<FleetEvent> {
    for (const client of shuffled([...byId.keys()])) yield { type: "joined", client, identified: true };
    while (!closed) {
      const batch = shuffled(asked);
      asked = [];
      // Every timer of these tests is far away, so a fleet with nothing asked has nothing left to say.
      if (batch.length === 0) return;
      const repeats: FleetEvent[] = [];
      for (const { client, instruction } of batch) {
        const event = await answer(client, instruction);
        if (event.type === "left") here.delete(client.id);
        yield event;
        for (let copy = 1; copy < copies && event.type === "replied"; copy++) repeats.push(event);
      }
      yield* repeats;
    }
  }

  async function answer(client: ScriptedClient, instruction: Instruction): Promise<FleetEvent> {
    if (instruction.type === "reconnect") return { type: "left", client: client.id, message: "told to" };
    if ((instruction.type !== "fit" && instruction.type !== "evaluate") || instruction.key === undefined) {
      throw new Error(`a scripted client is not asked for ${instruction.type}`);
    }
    const { key, parameters } = instruction;
    onAsked?.(client.id, key);
    if (instruction.type === "evaluate") {
      return {
        type: "replied",
        client: client.id,
        key,
        reply: { type: "evaluate", ...client.evaluate(parameters, key), metrics: {} },
      };
    }
    const fitted = client.fit(parameters, key);
    if (typeof fitted === "string") {
      return { type: "replied", client: client.id, key, reply: { type: "refused", message: fitted } };
    }
    const update = await pour(fitted.parameters, openSink(client.id, key));
    const { numExamples, metrics = {} } = fitted;
    const reply: Reply<typeof update> = { type: "fit", update, numExamples, metrics };
    return { type: "replied", client: client.id, key, reply };
  }

  function shuffled<T>(items: readonly T[]): T[] {
    return Array.from(permutation(items.length, draw), (index) => items[index] as T);
  }

  return {
    events,
    send(client, instruction) {
      const script = byId.get(client);
      if (script && here.has(client)) asked.push({ client: script, instruction });
    },
    wait() {
      // Nobody is ever late here.
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}
