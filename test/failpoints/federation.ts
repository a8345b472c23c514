// The federation that is interfered with: as the kill suite's, but one client refuses now and then.
import type { Client, ClientContext } from "@perennial-fl/client";
import type { Fleet, FleetEvent, RequestKey, SavedState } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { ServerOptions } from "@perennial-fl/server";
import { clientIds, rememberingClient, serverOptions } from "../kill/federation.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import type { ScriptedClient } from "../support/scripted-fleet.js";
import { temporaryDirectory } from "../support/temporary.js";
import { toyClient } from "../support/toy-clients.js";
import type { Action } from "./points.js";

/** Clients that have lost their server try again soon, and none outlives it for long. */
export const backoff = { firstMs: 20, maxMs: 100, giveUpAfterMs: 30_000 };

/** With a deadline that never comes, so that the timers of a round are set too. */
export function optionsOf(stateDir: string, rounds: number): ServerOptions {
  // Results take the way of large ones, which has more steps.
  return { ...serverOptions(stateDir, rounds), heldBytes: 0, roundTimeoutMs: 600_000 };
}

const refusing = clientIds[2];

/** Whether this failure is the one that every third round has by its plan. */
export function isPlanned(failure: string): boolean {
  const [round, phase, id] = failure.split(" ");
  return phase === "fit" && id === refusing && refuses(Number(round));
}

const refuses = (round: number): boolean => round % 3 === 0;

/** After an error of its disk a client may have trained, whatever it said: only those that do not count compare. */
function scripted(id: string, action: Action) {
  const client =
    action === "error"
      ? { ...toyClient(id), save: (): SavedState => ({}), load: (): void => undefined }
      : rememberingClient(id);
  const fit: ScriptedClient["fit"] = (parameters, key) =>
    id === refusing && refuses(key.round) ? "not today" : client.fit(parameters, key);
  return { ...client, id, fit };
}

/** The same client for the real federation. */
export function clientOf(id: string, action: Action) {
  const client = scripted(id, action);
  return {
    fit(parameters, _config, context) {
      const result = client.fit(parameters, keyOf(context));
      if (typeof result === "string") throw new Error(result);
      return result;
    },
    evaluate: (parameters, _config, context) => client.evaluate(parameters, keyOf(context)),
    save: () => client.save(),
    load: (state: SavedState) => {
      client.load(state);
    },
  } satisfies Client;
}

function keyOf({ key }: ClientContext): RequestKey {
  if (key === undefined) throw new Error("the server is one of ours and names its questions");
  return key;
}

/** The digests after every round of a run that nobody interferes with, in which these questions come to nothing. */
export async function golden(
  action: Action,
  rounds: number,
  failures: readonly string[],
): Promise<ReadonlyMap<number, string>> {
  const digests = new Map<number, string>();
  const clients = clientIds.map((id) => scripted(id, action));
  await startServer({
    ...optionsOf(temporaryDirectory(), rounds),
    openFleet: (openSink) => failing(scriptedFleet({ clients, openSink, arrival: 1 }), new Set(failures)),
    observe: (event) => {
      if (event.type === "round-committed") digests.set(event.round, event.parametersSha256);
    },
  });
  return digests;
}

/** A fleet in which the answers to some questions are refusals. */
function failing(fleet: Fleet, failures: ReadonlySet<string>): Fleet {
  async function* events(): AsyncGenerator<FleetEvent> {
    for await (const event of fleet.events()) {
      const key = event.type === "replied" ? event.key : undefined;
      if (event.type !== "replied" || !key || !failures.has(`${key.round} ${key.phase} ${event.client}`)) yield event;
      else yield { ...event, reply: { type: "refused", message: "as in the run that this is compared with" } };
    }
  }
  return { ...fleet, events };
}
