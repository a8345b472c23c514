// FedProx on synthetic(1, 1) (Li et al. 2020, arXiv 1812.06127): how it and FedAvg order, with and without stragglers.
import { random } from "@perennial-fl/core";
import { crossEntropy, linear, proximal, sequential, sgd } from "@perennial-fl/module";
import { fedAvg } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import type { Finding } from "./finding.js";
import { classes, features, syntheticDevices, together } from "./synthetic.js";
import type { Device } from "./synthetic.js";
import { trainRounds } from "./virtual-federation.js";

/** The last rounds, over which accuracy is averaged. */
const settled = 20;
const localEpochs = 20;
const perRound = 10;
const rounds = 200;
/** Data sets, each drawn anew. */
const seeds = [1, 3, 7] as const;

interface Variant {
  readonly mu: number;
  /** Of the ten devices of a round, how many manage less than all epochs. */
  readonly stragglers: number;
  readonly partialWork: boolean;
}

interface Measured {
  readonly mean: number;
  readonly spread: number;
}

/** Without stragglers every round costs ten times as much, so that is measured on one data set. */
export async function fedProxOrdering(): Promise<Finding[]> {
  const devices = syntheticDevices(1, 1, seeds[1]);
  const whole = { stragglers: 0, partialWork: false };
  const [averaged, proximate] = await Promise.all([
    accuracy(devices, seeds[1], { ...whole, mu: 0 }),
    accuracy(devices, seeds[1], { ...whole, mu: 1 }),
  ]);
  const [dropped, partial, both]: [Measured[], Measured[], Measured[]] = [[], [], []];
  for (const seed of seeds) {
    const data = syntheticDevices(1, 1, seed);
    const [a, b, c] = await Promise.all([
      accuracy(data, seed, { stragglers: 9, mu: 0, partialWork: false }),
      accuracy(data, seed, { stragglers: 9, mu: 0, partialWork: true }),
      accuracy(data, seed, { stragglers: 9, mu: 1, partialWork: true }),
    ]);
    dropped.push(a);
    partial.push(b);
    both.push(c);
  }
  const ratios = dropped.map(({ spread }, i) => spread / (both[i] as Measured).spread);
  return [
    gain("FedProx (mu 1) over FedAvg without stragglers", [proximate], [averaged], [0.055, 0.096]),
    gain("FedProx (mu 1) over FedAvg with 90 % stragglers", both, dropped, [0.09, 0.12]),
    gain("partial work (mu 0) over dropping with 90 % stragglers", partial, dropped, [0.04, Infinity]),
    {
      what: "spread from round to round with 90 % stragglers, FedAvg over FedProx (mu 1)",
      measured: ratios.map((ratio) => ratio.toFixed(1)).join(", "),
      published: "2 to 20 times (independent, three data sets)",
      band: "2 to 20 times, each",
      within: ratios.every((ratio) => ratio >= 2 && ratio <= 20),
    },
  ];
}

/** The mean over the data sets, against the range that independent runs had over theirs. */
function gain(
  what: string,
  better: readonly Measured[],
  worse: readonly Measured[],
  [least, most]: readonly [number, number],
): Finding {
  const gains = better.map(({ mean }, i) => mean - (worse[i] as Measured).mean);
  const mean = gains.reduce((sum, x) => sum + x, 0) / gains.length;
  const band = most === Infinity ? `at least +${least}` : `+${least} to +${most}`;
  return {
    what: `synthetic(1,1), test accuracy of ${what}`,
    measured: `+${mean.toFixed(3)} (${gains.map((x) => x.toFixed(3)).join(", ")})`,
    published: `${band} (independent, three data sets)`,
    band,
    within: mean >= least && mean <= most,
  };
}

/** The mean and spread of the test accuracy over the last rounds. */
async function accuracy(
  devices: readonly Device[],
  seed: number,
  { mu, stragglers, partialWork }: Variant,
): Promise<Measured> {
  const module = sequential([linear(features, classes)], { input: [features], seed });
  const learningRate = 0.01;
  const plain = sgd({ learningRate });
  const trainer = await openTrainer({
    module,
    loss: crossEntropy(),
    optimizer: mu > 0 ? proximal(mu, plain) : plain,
  });
  const clients = devices.map(({ train }, k) => ({ id: `device-${k}`, train }));
  const test = together(devices.map((device) => device.test));
  const epochs = (round: number, place: number): number => {
    if (place >= stragglers) return localEpochs;
    return partialWork ? 1 + random("partial work", seed, round, place).below(localEpochs - 1) : 0;
  };
  const shape = { perRound, rounds, batchSize: 10, learningRate, seed, epochs };
  const accuracies: number[] = [];
  try {
    for await (const model of trainRounds(module.parameters, { ...shape, trainer, strategy: fedAvg(), clients })) {
      accuracies.push((await trainer.evaluate(model, { dataset: test, batchSize: 1024 })).accuracy ?? 0);
    }
  } finally {
    await trainer.close();
  }
  return summary(accuracies.slice(-settled));
}

function summary(values: readonly number[]): Measured {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, spread: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length) };
}
