// Late updates that wait for the next round, as part of the per-round state: with their tensors, for the journal whose
// blobs they came in ends with the round.
import { memoryResult } from "@perennial-fl/core";
import type { Parameters, Saved, StoredResult } from "@perennial-fl/core";
import type { Durable, LateAnswer } from "./engine/types.js";

/** The same, free of the journal's blobs. Reads the updates: two models' size for each. */
export function heldInMemory(durable: Durable): Durable {
  return durable.carried ? { ...durable, carried: carriedFromSaved(carriedToSaved(durable.carried)) } : durable;
}

export function carriedToSaved(carried: readonly LateAnswer[]): Saved {
  return carried.map(({ client, round, answer, base }): WithTensors => {
    return { client, round, base: tensorsOf(base), answer: { ...answer, update: tensorsOf(answer.update) } };
  }) as unknown as Saved;
}

export function carriedFromSaved(saved: Saved): readonly LateAnswer[] {
  return (saved as unknown as readonly WithTensors[]).map(({ base, answer, ...late }) => {
    return { ...late, base: memoryResult(base), answer: { ...answer, update: memoryResult(answer.update) } };
  });
}

type WithTensors = Omit<LateAnswer, "answer" | "base"> & {
  readonly base: Parameters;
  readonly answer: Omit<LateAnswer["answer"], "update"> & { readonly update: Parameters };
};

function tensorsOf(held: StoredResult): Parameters {
  return held.tensors.map((_, index) => held.read(index));
}
