// The per-round state as a file: what is durable of the engine, and the plan it was made under.
import { FederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import type { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { Durable } from "./engine/types.js";
import { historyOfLines, linesOfHistory } from "./history-lines.js";
import { carriedFromSaved, carriedToSaved } from "./carried.js";
import { migrated, serverStateSchema } from "./migrations.js";

/** Name of the state in the state directory. */
export const stateName = "server-state";

export interface ServerState {
  readonly durable: Durable;
  readonly plan: SavedState;
}

/** Resolves when the state is durable, under `name`. */
export function saveServerState(
  checkpointer: PerRoundStateCheckpointer,
  state: ServerState,
  name = stateName,
): Promise<void> {
  const { carried, history, ...durable } = state.durable;
  return checkpointer.saveCheckpoint(name, {
    kind: "server-state",
    schema: serverStateSchema,
    plan: state.plan,
    ...durable,
    history: linesOfHistory(history),
    ...(carried && { carried: carriedToSaved(carried) }),
  });
}

/** The state of the generation before the newest, if it is there and whole. */
export async function loadPreviousServerState(
  checkpointer: PerRoundStateCheckpointer,
): Promise<ServerState | undefined> {
  const saved = await checkpointer.loadPreviousCheckpoint(stateName);
  return saved && serverStateOf(saved, `the generation before ${stateName}`);
}

/**
 * The newest whole state under `name`, or `undefined` where there has never been one. A state that an earlier version
 * wrote is migrated in memory: its file stays as it is until the next round commits. Throws `checkpoint/newer-version`.
 */
export async function loadServerState(
  checkpointer: PerRoundStateCheckpointer,
  name = stateName,
): Promise<ServerState | undefined> {
  if (!(await checkpointer.checkpointExists(name))) return undefined;
  return serverStateOf(await checkpointer.loadCheckpoint(name), name);
}

/** The server's state that a dictionary of that kind is, migrated if it is of an earlier schema; `what` names it in errors. */
export function serverStateOf({ kind, ...saved }: SavedState, what: string): ServerState {
  if (kind !== "server-state") {
    throw new FederationError("checkpoint/corrupt", `${what} holds ${JSON.stringify(kind)} and not a server's state`);
  }
  const { plan, carried, history, ...rest } = migrated(saved, what);
  const durable = { ...rest, history: historyOfLines(history) } as unknown as Durable;
  const held = carried === undefined ? durable : { ...durable, carried: carriedFromSaved(carried) };
  return { durable: held, plan: plan as SavedState };
}
