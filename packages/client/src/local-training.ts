// One round of local training, as the server's configuration wants it.
import { FederationError, numberOf } from "@perennial-fl/core";
import type { Config, Parameters, Saved } from "@perennial-fl/core";
import type { Dataset, Trained, Trainer, TrainOptions } from "@perennial-fl/trainer";
import type { ClientContext } from "./client.js";
import { trainResumably } from "./resumable-training.js";
import type { KeepProgress, Work } from "./resumable-training.js";

export interface LocalTraining {
  readonly train: Dataset;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly seed: number | string;
  /** How often training is kept while it goes on. A client that was killed inside an epoch goes on from there. */
  readonly keepProgress?: KeepProgress;
}

/** What a round adds to a client's own settings. */
export interface Round {
  readonly config: Config;
  readonly context: ClientContext;
  readonly work: Work;
  /** Rounds trained before, for servers that do not say the round. */
  readonly fits: number;
}

/** The round that a question belongs to: its own, else what the configuration says, else the client's own count. */
export function roundOf({ config, context, fits }: Round): number {
  return context.key?.round ?? numberIn(config, "server_round", "current_round") ?? fits + 1;
}

/** The learning rate that the server wants, if it wants one. */
export function learningRateIn(config: Config): number | undefined {
  return numberIn(config, "learning_rate", "lr");
}

/** Trains. `stream` keeps the order of examples apart from another training of the same round. */
export function trainLocally(
  trainer: Trainer,
  parameters: Parameters,
  { train, seed, epochs = 1, batchSize = 32 }: LocalTraining,
  round: Round,
  more: Pick<TrainOptions, "anchor" | "corrections"> & { readonly state?: Saved; readonly stream?: string } = {},
): Promise<Trained> {
  const { config, context } = round;
  const { stream, ...options } = more;
  const learningRate = learningRateIn(config);
  const full: TrainOptions = {
    dataset: train,
    epochs: numberIn(config, "epochs") ?? epochs,
    batchSize: numberIn(config, "batch_size") ?? batchSize,
    seed: [seed, context.clientId, roundOf(round), ...(stream === undefined ? [] : [stream])],
    signal: context.signal,
    ...options,
    ...(learningRate !== undefined && { learningRate }),
  };
  return trainResumably(trainer, parameters, full, { work: round.work, name: stream ?? "global" });
}

/** The number under the first of the names that the server has set. Throws `argument/invalid` if it is none. */
export function numberIn(config: Config, ...names: readonly string[]): number | undefined {
  const name = names.find((each) => config[each] !== undefined);
  if (name === undefined) return undefined;
  const value = numberOf(config[name]);
  if (value !== undefined) return value;
  throw new FederationError(
    "argument/invalid",
    `the server's configuration has ${name} of type ${typeof config[name]}, not a number`,
  );
}
