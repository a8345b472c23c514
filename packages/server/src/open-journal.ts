// The round journal of a session, as durable as was asked for.
import { journalName, openRoundJournal } from "@perennial-fl/checkpointer";
import type { JournalOptions, RoundJournal, Storage } from "@perennial-fl/checkpointer";
import { isFederationError } from "@perennial-fl/core";
import type { Durable, EngineState } from "./engine/types.js";
import { initialState } from "./engine/step.js";
import { replay } from "./resume.js";

/**
 * What a power loss may take. `result`: nothing that was accepted. `round`: the results of the open round, which then
 * begins again, and clients that keep their answers give them once more; committed rounds are as durable as ever. A
 * process that dies takes nothing with it either way.
 */
export type Durability = "result" | "round";

export interface SessionJournal {
  readonly journal: RoundJournal;
  /** The state with all that the journal still holds of the open round. */
  replay(durable: Durable): Promise<EngineState>;
}

interface SessionOptions extends JournalOptions {
  readonly durability: Durability;
  readonly report: (message: string) => void;
}

/** Throws `checkpoint/corrupt` for a damaged journal that should have been durable. */
export async function openSessionJournal(
  storage: Storage,
  { durability, report, ...options }: SessionOptions,
): Promise<SessionJournal> {
  if (durability === "result") {
    const journal = await openRoundJournal(storage, options);
    return { journal, replay: (durable) => replay(durable, journal, report) };
  }
  const relaxed = storage.unsynced();
  const journal = await openRelaxed(relaxed, report, options);
  return {
    journal,
    async replay(durable) {
      try {
        return await replay(durable, journal, report);
      } catch (error) {
        if (!isFederationError(error, "checkpoint/corrupt")) throw error;
        report(`${error.message}; round ${durable.round + 1} begins again`);
        await journal.clear();
        return initialState(durable);
      }
    },
  };
}

/** A journal that was not waited for may be damaged by a power loss, and is then no loss. */
async function openRelaxed(
  storage: Storage,
  report: (message: string) => void,
  options: JournalOptions,
): Promise<RoundJournal> {
  try {
    return await openRoundJournal(storage, options);
  } catch (error) {
    if (!isFederationError(error, "checkpoint/corrupt")) throw error;
    report(`${error.message}; the round that it was of begins again`);
    await storage.remove(journalName);
    return openRoundJournal(storage, options);
  }
}
