// The table of all strategies under test: a new strategy is one row here and gets every test.
import * as all from "../src/index.js";
import type { Strategy } from "../src/index.js";

export interface Row {
  /** As Flower's numbers are stored under, where Flower has the strategy. */
  readonly name: string;
  readonly strategy: () => Strategy;
  /**
   * The model after two rounds of {@link updates} from w = (1, -2), worked out by hand.
   * Three clients of equal weight send, in round 1: (2, 0), (4, -4), (9, 1); in round 2: (1, 1), (3, -1), (-4, 0).
   */
  readonly byHand: readonly number[];
  /** Largest relative difference to Flower's numbers over five rounds that float32 rounding explains; absent: no golden. */
  readonly flower?: number;
  /** Two clients are equally good here, and the earlier in the cohort wins: its order matters. */
  readonly tie?: true;
}

/** What three clients send in two rounds. */
export const updates = [
  [
    [2, 0],
    [4, -4],
    [9, 1],
  ],
  [
    [1, 1],
    [3, -1],
    [-4, 0],
  ],
];

/** The means of both rounds: (5, -1) and (0, 0). */
const means = [
  [5, -1],
  [0, 0],
];

/** A rule over one element: the new (w, m, v) from the old ones, the mean, and the number of the round from 1. */
type Element = (w: number, m: number, v: number, mean: number, round: number) => readonly [number, number, number];

function twoRounds(rule: Element): number[] {
  return [1, -2].map((start, i) => {
    let held: readonly [number, number, number] = [start, 0, 0];
    for (const [r, mean] of means.entries()) held = rule(...held, mean[i] as number, r + 1);
    return held[0];
  });
}

const adam: Element = (w, m, v, mean, round) => {
  const m1 = 0.9 * m + 0.1 * (mean - w);
  const v1 = 0.99 * v + 0.01 * (mean - w) ** 2;
  const rate = (0.1 * Math.sqrt(1 - 0.99 ** (round + 1))) / (1 - 0.9 ** (round + 1));
  return [w + (rate * m1) / (Math.sqrt(v1) + 1e-9), m1, v1];
};

const paperAdam: Element = (w, m, v, mean) => {
  const m1 = 0.9 * m + 0.1 * (mean - w);
  const v1 = 0.99 * v + 0.01 * (mean - w) ** 2;
  return [w + (0.1 * m1) / (Math.sqrt(v1) + 1e-9), m1, v1];
};

const adagrad: Element = (w, _, v, mean) => {
  const v1 = v + (mean - w) ** 2;
  return [w + (0.1 * (mean - w)) / (Math.sqrt(v1) + 1e-9), mean - w, v1];
};

const yogi: Element = (w, m, v, mean) => {
  const d2 = (mean - w) ** 2;
  const m1 = 0.9 * m + 0.1 * (mean - w);
  const v1 = v > d2 ? v - 0.01 * d2 : v + 0.01 * d2;
  return [w + (0.01 * m1) / (Math.sqrt(v1) + 1e-3), m1, v1];
};

const momentum: Element = (w, m, v, mean) => {
  const m1 = 0.9 * m + (w - mean);
  return [w - 0.5 * m1, m1, v];
};

/** q-FedAvg with q = 1, η = 1 and the losses 1, 2, 3 of {@link losses}, written out for the second round's end. */
function fair(): number[] {
  let w = [1, -2];
  for (const round of updates) {
    const gradients = round.map((sent) => w.map((x, i) => x - (sent[i] as number)));
    const h = gradients.map((g, k) => g.reduce((sum, x) => sum + x * x, 0) + (losses[k] as number));
    const total = h.reduce((sum, x) => sum + x, 0);
    w = w.map((x, i) => x - gradients.reduce((sum, g, k) => sum + (losses[k] as number) * (g[i] as number), 0) / total);
  }
  return w;
}

/** What the three clients report as their loss. */
export const losses = [1, 2, 3];

export const rows: readonly Row[] = [
  { name: "fedavg", strategy: () => all.fedAvg(), byHand: [0, 0], flower: 1e-6 },
  { name: "faulttolerantfedavg", strategy: () => all.faultTolerantFedAvg(), byHand: [0, 0], flower: 1e-6 },
  { name: "fedprox", strategy: () => all.fedProx({ proximalMu: 0.1 }), byHand: [0, 0], flower: 1e-6 },
  {
    name: "fedavgm",
    strategy: () => all.fedAvgM({ serverLearningRate: 0.5, serverMomentum: 0.9 }),
    byHand: twoRounds(momentum),
    flower: 2e-6,
  },
  { name: "fedadam", strategy: () => all.fedAdam(), byHand: twoRounds(adam), flower: 2e-6 },
  { name: "fedadam of the paper", strategy: () => all.fedAdam({ form: "paper" }), byHand: twoRounds(paperAdam) },
  { name: "fedadagrad", strategy: () => all.fedAdagrad(), byHand: twoRounds(adagrad), flower: 2e-6 },
  { name: "fedyogi", strategy: () => all.fedYogi(), byHand: twoRounds(yogi), flower: 2e-6 },
  { name: "fedmedian", strategy: () => all.fedMedian(), byHand: [1, 0], flower: 1e-6 },
  // Three values and a fifth of each end: ⌊0.6⌋ = 0 are cut. A third would cut one of each end.
  { name: "fedtrimmedavg", strategy: () => all.fedTrimmedAvg({ beta: 0.2 }), byHand: [0, 0], flower: 1e-6 },
  // Squared distances in round 2: 8 to the second, 26 to the third, 50 between these: with one neighbour each, the first.
  { name: "krum", strategy: () => all.krum({ numMaliciousClients: 1 }), byHand: [1, 1], flower: 0, tie: true },
  {
    name: "multikrum",
    strategy: () => all.krum({ numMaliciousClients: 1, numClientsToKeep: 3 }),
    byHand: [0, 0],
    flower: 1e-6,
  },
  // Nobody is malicious: all three are chosen, and all three values are nearest to the median.
  { name: "bulyan", strategy: () => all.bulyan(), byHand: [0, 0] },
  // The models move by the plain mean; what the variates do is in scaffold.test.ts.
  { name: "scaffold", strategy: () => all.scaffold({ population: 3 }), byHand: [0, 0] },
  // Half of the way to each mean: (3, -1.5), then (1.5, -0.75). What age does is in late.test.ts.
  { name: "fedbuff", strategy: () => all.fedBuff({ serverLearningRate: 0.5 }), byHand: [1.5, -0.75] },
  { name: "qfedavg", strategy: () => all.qFedAvg({ q: 1, learningRate: 1 }), byHand: fair(), flower: 2e-6 },
];
