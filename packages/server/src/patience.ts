// Early stopping: a run ends when its rounds no longer make the model better.
import type { History } from "./history.js";

export interface PatienceOptions {
  /** So many rounds without a better loss end the run. */
  readonly rounds: number;
  /** A loss is better only if it is lower by more than this. Default 0. */
  readonly minDelta?: number;
}

/**
 * A rule for `stopWhen`: looks at the server's own loss where there is one, else at the clients'. Rounds without a
 * finite loss count as not better. It remembers nothing, so a resumed run stops where it would have stopped.
 */
export function patience({ rounds, minDelta = 0 }: PatienceOptions): (history: History) => boolean {
  return (history) => {
    let best = Infinity;
    let waited = 0;
    for (const { central, loss } of history) {
      const current = central?.loss ?? loss ?? NaN;
      if (current < best - minDelta) {
        best = current;
        waited = 0;
      } else {
        waited++;
      }
    }
    return waited >= rounds;
  };
}
