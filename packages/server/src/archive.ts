// States of former rounds, kept beside the newest ones, so that a run can be rolled back to them.
import { checkRetention, retained } from "@perennial-fl/checkpointer";
import type { PerRoundStateCheckpointer, Retention, Storage } from "@perennial-fl/checkpointer";
import type { History } from "./history.js";
import { saveServerState, stateName } from "./server-state.js";
import type { ServerState } from "./server-state.js";

/** The name of the state that was archived when a round committed. */
export function archiveName(round: number): string {
  return `${stateName}.round-${round}`;
}

/** The rounds whose states are archived in a storage, in order. */
export async function archivedRounds(storage: Storage): Promise<number[]> {
  const names = await storage.list();
  return names
    .flatMap((name) => /^server-state\.round-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Keeps the states that a policy names. `keep` archives the state of a round and then removes those that need not stay. */
export interface Archive {
  keep(state: ServerState): Promise<void>;
}

/**
 * An archive in the storage of `states`. Each state is written anew and not linked, so that damage to the newest file
 * leaves its archived copy whole. Keeping the same state twice writes it once.
 */
export function archiveOf(states: PerRoundStateCheckpointer, storage: Storage, policy: Retention): Archive {
  checkRetention(policy);
  return {
    async keep(state) {
      const { round, history } = state.durable;
      const archived = await archivedRounds(storage);
      const stays = retained(
        policy,
        [...new Set([...archived, round])].map((each) => ({ round: each, loss: lossOf(history, each) })),
      );
      if (stays.has(round) && !archived.includes(round)) await saveServerState(states, state, archiveName(round));
      for (const each of archived) if (!stays.has(each)) await storage.remove(archiveName(each));
    },
  };
}

function lossOf(history: History, round: number): number | undefined {
  const record = history.find((each) => each.round === round);
  return record?.central?.loss ?? record?.loss;
}
