// A server that was given no model asks a client for its parameters, as a Flower server does.
import type { ClientId, Fleet, FleetEvent, Parameters } from "@perennial-fl/core";
import { stopTimer } from "./plan.js";

export interface Begun {
  readonly parameters: Parameters;
  /** The same fleet, with everything else that happened meanwhile still to come. */
  readonly fleet: Fleet;
}

/**
 * Asks the first client that joins, and the next one when that fails. Resolves with `undefined` when the server is
 * stopped before anyone answered.
 */
export async function askForParameters(fleet: Fleet, report: (message: string) => void): Promise<Begun | undefined> {
  const events = fleet.events()[Symbol.asyncIterator]();
  const meanwhile: FleetEvent[] = [];
  const candidates: ClientId[] = [];
  let asked: ClientId | undefined;
  const askNext = () => {
    asked = candidates.shift();
    if (asked !== undefined) fleet.send(asked, { type: "parameters", config: {} });
  };
  for (;;) {
    const next = await events.next();
    if (next.done === true) return undefined;
    const event = next.value;
    if (event.type === "elapsed" && event.timer === stopTimer) return undefined;
    const fromAsked = "client" in event && event.client === asked;
    if (
      fromAsked &&
      event.type === "replied" &&
      event.reply.type === "parameters" &&
      event.reply.update.tensors.length > 0
    ) {
      const { update } = event.reply;
      const parameters = update.tensors.map((_, index) => update.read(index));
      return { parameters, fleet: withEvents(fleet, () => chain(meanwhile, events)) };
    }
    if (fromAsked) {
      report(`${event.client} gave no initial parameters (${event.type}); another client is asked`);
      askNext();
    }
    if (event.type === "joined") {
      candidates.push(event.client);
      if (asked === undefined) askNext();
    }
    if (event.type !== "replied" && event.type !== "unreadable") meanwhile.push(event);
  }
}

function withEvents(fleet: Fleet, events: Fleet["events"]): Fleet {
  return {
    events,
    send: (client, instruction) => {
      fleet.send(client, instruction);
    },
    wait: (timer, ms) => {
      fleet.wait(timer, ms);
    },
    close: () => fleet.close(),
  };
}

async function* chain(first: readonly FleetEvent[], rest: AsyncIterator<FleetEvent>): AsyncGenerator<FleetEvent> {
  yield* first;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}
