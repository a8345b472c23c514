// A server that was given no model asks a client for its parameters, as a Flower server does.
import type { ClientId, Fleet, FleetEvent, Parameters, Reply, StoredResult } from "@perennial-fl/core";
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
  /** Who is here and has not been asked, in order of joining. */
  const candidates = new Set<ClientId>();
  let asked: ClientId | undefined;
  const askNext = () => {
    [asked] = candidates;
    if (asked === undefined) return;
    candidates.delete(asked);
    fleet.send(asked, { type: "parameters", config: {} });
  };
  for (;;) {
    const next = await events.next();
    if (next.done === true) return undefined;
    const event = next.value;
    if (event.type === "elapsed" && event.timer === stopTimer) return undefined;
    if (event.type === "left") candidates.delete(event.client);
    if (event.type === "joined") candidates.add(event.client);
    if ("client" in event && event.client === asked && event.type !== "joined") {
      const given = event.type === "replied" ? parametersIn(event.reply) : event.message;
      if (typeof given !== "string")
        return { parameters: given, fleet: withEvents(fleet, () => chain(meanwhile, events)) };
      report(`${event.client} gave no initial parameters (${given}); another client is asked`);
      asked = undefined;
    }
    if (asked === undefined) askNext();
    if (event.type !== "replied" && event.type !== "unreadable") meanwhile.push(event);
  }
}

/** The model to begin with, or why the reply cannot be one. */
function parametersIn(reply: Reply<StoredResult>): Parameters | string {
  if (reply.type === "refused") return reply.message;
  if (reply.type !== "parameters") return `a ${reply.type} answer came`;
  const { update } = reply;
  if (update.tensors.length === 0) return "it has no tensors";
  const bad = update.tensors.findIndex(({ firstNonFinite }) => firstNonFinite !== undefined);
  return bad < 0 ? update.tensors.map((_, index) => update.read(index)) : `its tensor ${bad} is not finite`;
}

/** Without `takeReply`: what happened before comes first. */
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
