// A federation in one process: virtual clients that one trainer trains in turn, and a strategy that combines them.
import { memoryResult, random, sample } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { advance, updateNorm } from "@perennial-fl/strategy";
import type { Contribution, Held, Strategy } from "@perennial-fl/strategy";
import type { Dataset, Trainer } from "@perennial-fl/trainer";

export interface VirtualClient {
  readonly id: string;
  readonly train: Dataset;
  /** What it sends instead of what it trained. */
  readonly tamper?: (trained: Parameters, received: Parameters, round: number) => Parameters;
  /** What it claims instead of its number of examples. */
  readonly claims?: number;
}

export interface Rounds {
  readonly trainer: Trainer;
  readonly strategy: Strategy;
  readonly clients: readonly VirtualClient[];
  /** How many clients are drawn, uniformly and without replacement, for a round. */
  readonly perRound: number;
  readonly rounds: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Passes of a client over its data in a round; 0 leaves it out of the round, as a straggler that is dropped. */
  readonly epochs: (round: number, place: number) => number;
  /** As the server's options: a longer update, or one that claims more examples, is rejected. */
  readonly maxUpdateNorm?: number;
  readonly maxExamples?: number;
}

/** Trains from `initial` on and yields the model after every round. The same options give the same models. */
export async function* trainRounds(initial: Parameters, options: Rounds): AsyncGenerator<Parameters> {
  const { strategy, clients, perRound, rounds, seed, maxUpdateNorm = Infinity, maxExamples = Infinity } = options;
  let held: Held = { parameters: initial, state: strategy.move.init(initial) };
  for (let round = 1; round <= rounds; round++) {
    const cohort = sample(clients, perRound, random("cohort", seed, round));
    const contributions: Contribution[] = [];
    for (const [place, client] of cohort.entries()) {
      const epochs = options.epochs(round, place);
      if (epochs > 0) contributions.push(await contribute(client, held.parameters, { ...options, round }, epochs));
    }
    const counted = contributions.filter(
      ({ result, numExamples }) =>
        numExamples <= maxExamples &&
        (maxUpdateNorm === Infinity || updateNorm(result, held.parameters) <= maxUpdateNorm),
    );
    held = advance(strategy, counted, held, { round, seed });
    yield held.parameters;
  }
}

async function contribute(
  { id, train, tamper, claims }: VirtualClient,
  received: Parameters,
  { trainer, batchSize, learningRate, seed, round }: Rounds & { readonly round: number },
  epochs: number,
): Promise<Contribution> {
  const trained = await trainer.train(received, {
    dataset: train,
    batchSize,
    epochs,
    learningRate,
    seed: [seed, id, round],
  });
  const parameters = tamper?.(trained.parameters, received, round) ?? trained.parameters;
  return { client: id, result: memoryResult(parameters), numExamples: claims ?? trained.numExamples, metrics: {} };
}
