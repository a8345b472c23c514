// Facts of the open round as entries of the round journal, and back.
import { FederationError } from "@perennial-fl/core";
import type { RequestKey, Saved } from "@perennial-fl/core";
import type { JournalEntry, RoundJournal } from "@perennial-fl/checkpointer";
import type { Answer, JournalledFact } from "./engine/types.js";

/** The entry of a fact. The update of a fit answer is referred to by name and digest, and not repeated. */
export async function toEntry(fact: JournalledFact, journal: RoundJournal): Promise<JournalEntry> {
  const key = { ...fact.key };
  switch (fact.type) {
    case "opened":
      return { type: fact.type, key, cohort: fact.cohort, roster: fact.roster };
    case "dropped":
      return { type: fact.type, key, failures: fact.failures.map((failure) => ({ ...failure })) };
    case "accepted": {
      const { client, answer } = fact;
      const held =
        answer.type === "fit" ? { ...answer, update: await journal.reference(answer.update) } : { ...answer };
      return { type: fact.type, key, client, answer: held as Saved };
    }
  }
}

/** The fact of an entry that this version wrote. Throws `checkpoint/corrupt` for an update that is not whole. */
export async function fromEntry(entry: JournalEntry, journal: RoundJournal): Promise<JournalledFact> {
  const fact = entry as unknown as JournalledFact;
  switch (fact.type) {
    case "opened":
    case "dropped":
      return fact;
    case "accepted": {
      if (fact.answer.type !== "fit") return fact;
      const reference = fact.answer.update as unknown as Parameters<RoundJournal["stored"]>[0];
      return { ...fact, answer: { ...fact.answer, update: await journal.stored(reference) } satisfies Answer };
    }
    default:
      throw new FederationError(
        "checkpoint/newer-version",
        `the round journal holds an entry of type ${JSON.stringify(entry["type"])}, which this version does not know`,
      );
  }
}

/** The key of an entry, for finding out which round a journal belongs to. */
export function keyOfEntry(entry: JournalEntry): RequestKey {
  return (entry as unknown as JournalledFact).key;
}
