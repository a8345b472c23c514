// Which rounds are kept: a pure policy, for states and modules alike.
import { FederationError } from "@perennial-fl/core";

/** What is kept; a round that any of these names stays. All absent: nothing is. */
export interface Retention {
  /** The newest so many. */
  readonly last?: number;
  /** The oldest one there is. */
  readonly first?: boolean;
  /** Every round that this number divides. */
  readonly every?: number;
  /** The so many with the least loss; rounds without one, or with NaN, are never among them. */
  readonly best?: number;
}

/** A round that something is kept of. */
export interface KeptRound {
  readonly round: number;
  /** The less, the better. */
  readonly loss?: number | undefined;
}

/**
 * The rounds that the policy keeps, of those there are. A tie keeps the older. It depends on nothing else, so pruning
 * twice, or after a crash, comes to the same.
 */
export function retained(policy: Retention, rounds: readonly KeptRound[]): ReadonlySet<number> {
  const { last = 0, first = false, every, best = 0 } = policy;
  const ascending = [...rounds].sort((a, b) => a.round - b.round);
  const measured = ascending.flatMap(({ round, loss }) =>
    loss === undefined || Number.isNaN(loss) ? [] : [{ round, loss }],
  );
  const kept = [
    ...(last > 0 ? ascending.slice(-last) : []),
    ...(first ? ascending.slice(0, 1) : []),
    ...ascending.filter(({ round }) => every !== undefined && round % every === 0),
    ...measured.sort((a, b) => a.loss - b.loss || a.round - b.round).slice(0, best),
  ];
  return new Set(kept.map(({ round }) => round));
}

/** Throws `argument/invalid` for a count that is none, or for a policy that names nothing. */
export function checkRetention(policy: Retention): void {
  const { last, first, every, best } = policy;
  for (const [name, count] of Object.entries({ last, every, best })) {
    if (count !== undefined && !(Number.isSafeInteger(count) && count >= 1)) {
      throw new FederationError("argument/invalid", `retention: ${name} is a whole number from 1, not ${count}`);
    }
  }
  if (last === undefined && every === undefined && best === undefined && first !== true) {
    throw new FederationError("argument/invalid", "retention: one of last, first, every and best is to be given");
  }
}
