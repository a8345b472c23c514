// The per-round state as a file: what is durable of the engine, and the plan it was made under.
import { FederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import type { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { Durable } from "./engine/types.js";

/** Name of the state in the state directory. */
export const stateName = "server-state";

const schema = 1;

export interface ServerState {
  readonly durable: Durable;
  readonly plan: SavedState;
}

/** Resolves when the state is durable. */
export function saveServerState(checkpointer: PerRoundStateCheckpointer, state: ServerState): Promise<void> {
  return checkpointer.saveCheckpoint(stateName, { kind: "server-state", schema, plan: state.plan, ...state.durable });
}

/** The newest whole state, or `undefined` where there has never been one. */
export async function loadServerState(checkpointer: PerRoundStateCheckpointer): Promise<ServerState | undefined> {
  if (!(await checkpointer.checkpointExists(stateName))) return undefined;
  const { kind, schema: version, plan, ...durable } = await checkpointer.loadCheckpoint(stateName);
  if (kind !== "server-state") {
    throw new FederationError(
      "checkpoint/corrupt",
      `${stateName} holds ${JSON.stringify(kind)} and not a server's state`,
    );
  }
  if (version !== schema) {
    throw new FederationError(
      "checkpoint/newer-version",
      `${stateName} has schema ${JSON.stringify(version)}, and this version reads schema ${schema}`,
    );
  }
  return { durable: durable as unknown as Durable, plan: plan as SavedState };
}
