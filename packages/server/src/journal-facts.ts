// Facts of the open round as entries of the round journal, and back.
import { FederationError } from "@perennial-fl/core";
import type { RequestKey, Saved, StoredResult } from "@perennial-fl/core";
import type { JournalEntry, RoundJournal } from "@perennial-fl/checkpointer";
import type { Answer, JournalledFact } from "./engine/types.js";

/** The entry of a fact. The update of a fit answer is referred to by name and digest, and not repeated. */
export async function toEntry(fact: JournalledFact, journal: RoundJournal): Promise<JournalEntry> {
  const key = { ...fact.key };
  switch (fact.type) {
    case "opened":
      return { type: fact.type, key, cohort: fact.cohort, roster: fact.roster };
    case "admitted": {
      const { client, round, answer, base } = fact.late;
      const held = { ...answer, update: await journal.reference(answer.update) };
      const late = { client, round, answer: held, base: await journal.reference(base) };
      return { type: fact.type, key, into: fact.into, late: late as Saved };
    }
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
    case "admitted": {
      const { late } = fact;
      const answer = { ...late.answer, update: await stored(late.answer.update, journal) };
      return { ...fact, late: { ...late, answer, base: await stored(late.base, journal) } };
    }
    case "accepted": {
      if (fact.answer.type !== "fit") return fact;
      return {
        ...fact,
        answer: { ...fact.answer, update: await stored(fact.answer.update, journal) } satisfies Answer,
      };
    }
    default:
      throw new FederationError(
        "checkpoint/newer-version",
        `the round journal holds an entry of type ${JSON.stringify(entry["type"])}, which this version does not know`,
      );
  }
}

/** The result of what is, in an entry, its reference. */
function stored(reference: unknown, journal: RoundJournal): Promise<StoredResult> {
  return journal.stored(reference as Saved);
}

/** The key of an entry, for finding out which round a journal belongs to. */
export function keyOfEntry(entry: JournalEntry): RequestKey {
  return (entry as unknown as JournalledFact).key;
}
