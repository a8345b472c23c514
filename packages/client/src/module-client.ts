// A client that trains an ONNX module on its own data.
import { FederationError, float, numberOf } from "@perennial-fl/core";
import type { Config, Metrics, Parameters, Saved, SavedState } from "@perennial-fl/core";
import type { TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset, Evaluated, Trainer, TrainerOptions } from "@perennial-fl/trainer";
import type { Client, ClientContext, EvaluateResult, FitResult } from "./client.js";
import { checkPaths, offer } from "./module-checkpoints.js";
import { localParameters, merge, sharedParameters } from "./partial-exchange.js";
import type { KeepLocal } from "./partial-exchange.js";

export interface ModuleClientOptions {
  readonly module: OnnxModule;
  readonly loss: TrainerOptions["loss"];
  readonly optimizer: TrainerOptions["optimizer"];
  readonly train: Dataset;
  /** Held out for evaluation, and for the scores of checkpointers. */
  readonly test?: Dataset;
  /** Passes over `train` per round. Default 1; the server's configuration `epochs` overrides it. */
  readonly epochs?: number;
  /** Default 32; the server's configuration `batch_size` overrides it. */
  readonly batchSize?: number;
  /** With the client's id and the round, decides the order of examples. */
  readonly seed: number | string;
  /** Offered the local model after training. Each costs nothing more than one evaluation on `test` for all. */
  readonly preAggregation?: readonly TorchModuleCheckpointer[];
  /** Offered the aggregated model when the server has it evaluated. */
  readonly postAggregation?: readonly TorchModuleCheckpointer[];
  /** `reset` (default): momentum begins anew every round, as local training in FedAvg does. `keep`: it goes on. */
  readonly optimizerState?: "keep" | "reset";
  /**
   * Parameters that stay with this client and are part of its durable state (FedBN, FedPer). The others travel, so the
   * server begins with {@link sharedParameters}. Default: all travel.
   */
  readonly keepLocal?: KeepLocal;
  /** Default 1: more give other sums, and runs that are no longer equal to the bit. */
  readonly threads?: number;
}

/** What a module client remembers. */
type Memory = {
  /** Rounds trained so far; counts for servers that do not say the round. */
  readonly fits: number;
  readonly optimizer: Saved;
  /** The parameters that stay here, in the module's order. */
  readonly local: Parameters;
};

/**
 * Opens a trainer and answers with it. From the server's configuration it takes `epochs`, `batch_size`, and
 * `learning_rate` or `lr`; the round comes from the question, else from `server_round` or `current_round`, else it is
 * counted. Throws `argument/invalid` for checkpointers without test data or with one path, and what the trainer throws.
 */
export async function moduleClient(options: ModuleClientOptions): Promise<Client> {
  const { module, loss, optimizer, test, threads = 1, preAggregation = [], postAggregation = [] } = options;
  const keepLocal = options.keepLocal ?? (() => false);
  checkPaths([...preAggregation, ...postAggregation]);
  if (test === undefined && preAggregation.length + postAggregation.length > 0) {
    throw new FederationError("argument/invalid", "module checkpointers need a loss to judge by: give `test` data");
  }
  const trainer = await openTrainer({ module, loss, optimizer, threads });
  let memory: Memory = { fits: 0, optimizer: null, local: localParameters(module, keepLocal) };
  const received = (parameters: Parameters) =>
    module.withParameters(merge(module, parameters, memory.local, keepLocal));

  async function judge(parameters: Parameters, signal: AbortSignal): Promise<Evaluated> {
    if (test === undefined) {
      throw new FederationError("client/failed", "evaluating a module: the client has no `test` data");
    }
    return trainer.evaluate(parameters, { dataset: test, signal });
  }

  async function fit(parameters: Parameters, config: Config, context: ClientContext): Promise<FitResult> {
    const whole = received(parameters);
    const trained = await trainLocally(trainer, whole.parameters, config, context, options, memory);
    if (preAggregation.length > 0) {
      const local = await judge(trained.parameters, context.signal);
      const offered = {
        module: module.withParameters(trained.parameters),
        loss: local.loss,
        metrics: metricsOf(local),
      };
      await offer(preAggregation, offered, context);
    }
    memory = {
      fits: memory.fits + 1,
      optimizer: options.optimizerState === "keep" ? trained.state : null,
      local: localParameters(module, keepLocal, trained.parameters),
    };
    const { numExamples } = trained;
    return {
      parameters: sharedParameters(module, keepLocal, trained.parameters),
      numExamples,
      metrics: { loss: float(trained.loss) },
    };
  }

  async function evaluate(parameters: Parameters, _config: Config, context: ClientContext): Promise<EvaluateResult> {
    const whole = received(parameters);
    const judged = await judge(whole.parameters, context.signal);
    const metrics = metricsOf(judged);
    await offer(postAggregation, { module: whole, loss: judged.loss, metrics }, context);
    return { loss: judged.loss, numExamples: judged.numExamples, metrics };
  }

  return {
    getParameters: () => sharedParameters(module, keepLocal),
    fit,
    evaluate,
    save: (): SavedState => memory,
    load: (state) => {
      // It is this function's own `save` that gave it.
      memory = state as Memory;
    },
    close: () => trainer.close(),
  };
}

async function trainLocally(
  trainer: Trainer,
  parameters: Parameters,
  config: Config,
  { clientId, key, signal }: ClientContext,
  { train, seed, epochs = 1, batchSize = 32 }: ModuleClientOptions,
  memory: Memory,
): ReturnType<Trainer["train"]> {
  const round = key?.round ?? numberIn(config, "server_round", "current_round") ?? memory.fits + 1;
  const learningRate = numberIn(config, "learning_rate", "lr");
  return trainer.train(parameters, {
    dataset: train,
    epochs: numberIn(config, "epochs") ?? epochs,
    batchSize: numberIn(config, "batch_size") ?? batchSize,
    seed: [seed, clientId, round],
    signal,
    ...(learningRate !== undefined && { learningRate }),
    ...(memory.optimizer !== null && { state: memory.optimizer }),
  });
}

/** The number under the first of the names that the server has set. Throws `argument/invalid` if it is none. */
function numberIn(config: Config, ...names: readonly string[]): number | undefined {
  const name = names.find((each) => config[each] !== undefined);
  if (name === undefined) return undefined;
  const value = numberOf(config[name]);
  if (value !== undefined) return value;
  throw new FederationError(
    "argument/invalid",
    `the server's configuration has ${name} of type ${typeof config[name]}, not a number`,
  );
}

function metricsOf({ loss, accuracy }: Evaluated): Metrics {
  return { loss: float(loss), ...(accuracy !== undefined && { accuracy: float(accuracy) }) };
}
