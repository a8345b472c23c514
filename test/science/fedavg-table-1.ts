// FedAvg's Table 1 (McMahan et al. 2017, arXiv 1602.05629): 2NN, MNIST, IID, E = 1, B = 10, C = 0.1, rounds to 97 %.
import { crossEntropy, sgd } from "@perennial-fl/module";
import { fedAvg } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import { evenParts, readMnist, rowsOf, twoLayerNet } from "./digits.js";
import type { Finding } from "./finding.js";
import { trainRounds } from "./virtual-federation.js";

/**
 * The paper tunes the rate for each cell and does not print it: 87 in Table 1 and 92 in Table 4 for this cell. The bands
 * are what independent runs of the same cell needed: five seeds each at 0.05 (mean 98) and at 0.1 (mean 55).
 */
const rows = [
  { learningRate: 0.05, least: 90, most: 106, published: "87 and 92 (paper, its own rate); 90 to 106 (independent)" },
  { learningRate: 0.1, least: 51, most: 57, published: "51 to 57 (independent); 46 (another's, normalised input)" },
] as const;

const target = 0.97;
const seed = 1;

export async function fedAvgTable1(): Promise<Finding[]> {
  const [train, test] = [await readMnist("train"), await readMnist("test")];
  const clients = evenParts(60_000, 100, seed).map((part, k) => ({ id: `client-${k}`, train: rowsOf(train, part) }));
  const judged = rowsOf(
    test,
    Uint32Array.from({ length: 10_000 }, (_, i) => i),
  );
  const module = twoLayerNet(seed);
  const loss = crossEntropy();
  const findings: Finding[] = [];
  for (const { learningRate, least, most, published } of rows) {
    const trainer = await openTrainer({ module, loss, optimizer: sgd({ learningRate }) });
    const options = { trainer, strategy: fedAvg(), clients, perRound: 10, rounds: most + 20, batchSize: 10, seed };
    const accuracies: number[] = [];

    for await (const model of trainRounds(module.parameters, { ...options, learningRate, epochs: () => 1 })) {
      accuracies.push((await trainer.evaluate(model, { dataset: judged, batchSize: 1000 })).accuracy ?? 0);
      if ((accuracies.at(-1) as number) >= target) break;
    }
    await trainer.close();
    const measured = crossing(accuracies);
    findings.push({
      what: `rounds to 97 % (2NN, IID, E 1, B 10, C 0.1, rate ${learningRate})`,
      measured: measured.toFixed(1),
      published,
      band: `${least} to ${most}`,
      within: measured >= least && measured <= most,
    });
  }
  return findings;
}

/** The curve made monotone, and its crossing of the target interpolated, as in the paper. */
function crossing(accuracies: readonly number[]): number {
  let best = 0;
  for (const [index, accuracy] of accuracies.entries()) {
    if (accuracy >= target) return index + (target - best) / (accuracy - best);
    best = Math.max(best, accuracy);
  }
  return Infinity;
}
