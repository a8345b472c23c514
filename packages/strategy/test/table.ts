// The table of all strategies under test: a new strategy is one row here and gets every test.
import { fedAdam, fedAvg } from "../src/index.js";
import type { Strategy } from "../src/index.js";

export interface Row {
  readonly name: string;
  readonly strategy: () => Strategy;
  /** The model after two rounds of {@link updates} from w = (1, -2), worked out by hand. */
  readonly afterTwoRounds: readonly number[];
}

/** What two clients send in two rounds, with their numbers of examples. */
export const updates = [
  [
    { values: [2, 0], numExamples: 1 },
    { values: [4, -4], numExamples: 3 },
  ],
  [
    { values: [1, 1], numExamples: 2 },
    { values: [3, -1], numExamples: 2 },
  ],
];

/** FedAdam's formula written out for one element, as independent of the code under test as can be. */
function adamByHand(start: number, means: readonly number[], eta: number, b1: number, b2: number, tau: number): number {
  let [w, m, v] = [start, 0, 0];
  for (const [round, mean] of means.entries()) {
    const delta = mean - w;
    m = b1 * m + (1 - b1) * delta;
    v = b2 * v + (1 - b2) * delta ** 2;
    const t = round + 2;
    w += ((eta * Math.sqrt(1 - b2 ** t)) / (1 - b1 ** t)) * (m / (Math.sqrt(v) + tau));
  }
  return w;
}

export const rows: readonly Row[] = [
  // Means: (2 + 3·4) / 4 = 3.5 and (0 - 3·4) / 4 = -3, then (1 + 3) / 2 = 2 and (1 - 1) / 2 = 0.
  { name: "fedavg", strategy: () => fedAvg(), afterTwoRounds: [2, 0] },
  {
    name: "fedadam",
    strategy: () => fedAdam({ eta: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3 }),
    afterTwoRounds: [adamByHand(1, [3.5, 2], 0.1, 0.9, 0.99, 1e-3), adamByHand(-2, [-3, 0], 0.1, 0.9, 0.99, 1e-3)],
  },
];
