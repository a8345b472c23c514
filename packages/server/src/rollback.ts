// Takes a run back to a former round.
import { PerRoundStateCheckpointer, directoryStorage, journalName, openRoundJournal } from "@perennial-fl/checkpointer";
import type { Report, Storage } from "@perennial-fl/checkpointer";
import { FederationError, isFederationError } from "@perennial-fl/core";
import { keepSpending } from "@perennial-fl/strategy";
import { archiveName, archivedRounds } from "./archive.js";
import { loadPreviousServerState, loadServerState, saveServerState } from "./server-state.js";
import type { ServerState } from "./server-state.js";

export interface RollbackOptions {
  /** Told what was passed over or set aside. */
  readonly report?: Report;
  /** Instead of the directory itself. */
  readonly storage?: Storage;
}

export interface Rollback {
  readonly run: string;
  /** The last committed round before. */
  readonly from: number;
  readonly to: number;
  /** Answers given before count nowhere: the keys of all questions from now on say so. */
  readonly attempt: number;
}

/**
 * Takes the run in `directory` back to the state of `round`, as of its commit. Later rounds are given up, with what
 * the open round had received and with the archived states of later rounds; the state before the rollback stays as
 * the previous generation, so that another rollback can return to it until a round commits. The model's files are
 * left alone: the next round replaces `latest`. What a private strategy has spent stays spent.
 *
 * The new state is one atomic replacement, and everything after it is repeated by the next rollback or resumption, so
 * a crash anywhere leaves a run that goes on. Throws `resume/nothing` where there is no run, `argument/invalid` for a
 * round whose state is not kept (and names those that are), and `storage/locked` while a server has the directory.
 */
export async function rollBack(directory: string, round: number, options: RollbackOptions = {}): Promise<Rollback> {
  const { report, storage = directoryStorage(directory) } = options;
  const lock = await storage.lock();
  try {
    const states = new PerRoundStateCheckpointer(directory, { storage, ...(report && { report }) });
    const newest = await loadServerState(states);
    if (newest === undefined) throw new FederationError("resume/nothing", `${directory} holds no run to roll back`);
    const { run, round: from } = newest.durable;
    const archived = await archivedRounds(storage);
    const target = round === from ? newest : await stateOf(states, round, archived, newest, directory);
    const attempt = newest.durable.attempt + 1;
    const strategyState = keepSpending(target.durable.strategyState, newest.durable.strategyState);
    await saveServerState(states, { ...target, durable: { ...target.durable, attempt, strategyState } });
    await forgetOpenRound(storage, report);
    for (const each of archived) if (each > round) await storage.remove(archiveName(each));
    return { run, from, to: round, attempt };
  } finally {
    await lock.release();
  }
}

/** A journal that cannot be read is set aside: a rollback is also the way out of a damaged round. */
async function forgetOpenRound(storage: Storage, report: Report | undefined): Promise<void> {
  try {
    const journal = await openRoundJournal(storage);
    try {
      await journal.clear();
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (!isFederationError(error, "checkpoint/corrupt")) throw error;
    report?.(`${error.message}; it was set aside as ${await storage.setAside(journalName)}`);
  }
}

/** The state of a round of this run: an archived one, or the previous generation. */
async function stateOf(
  states: PerRoundStateCheckpointer,
  round: number,
  archived: readonly number[],
  newest: ServerState,
  directory: string,
): Promise<ServerState> {
  const previous = await loadPreviousServerState(states);
  const kept = [...new Set([...archived, newest.durable.round, ...(previous ? [previous.durable.round] : [])])];
  const found = archived.includes(round)
    ? await loadServerState(states, archiveName(round))
    : previous?.durable.round === round
      ? previous
      : undefined;
  if (found === undefined) {
    const rounds = kept.sort((a, b) => a - b).join(", ");
    throw new FederationError(
      "argument/invalid",
      `${directory} does not keep the state of round ${round}; it keeps ${rounds} (see the retention of states)`,
    );
  }
  if (found.durable.run !== newest.durable.run) {
    throw new FederationError(
      "checkpoint/corrupt",
      `the state of round ${round} in ${directory} is of run ${found.durable.run}, and the newest of run ${newest.durable.run}`,
    );
  }
  return found;
}
