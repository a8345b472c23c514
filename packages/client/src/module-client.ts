// A client that trains an ONNX module on its own data.
import { FederationError, float, packRecords } from "@perennial-fl/core";
import type { Config, Metrics, Parameters, Saved, SavedState } from "@perennial-fl/core";
import type { TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { corrected } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import type { Evaluated, Trained, TrainerOptions } from "@perennial-fl/trainer";
import type { Client, ClientContext, EvaluateResult, FitResult } from "./client.js";
import { beginCorrected, endCorrected, requirePlainSgd } from "./control-variates.js";
import type { Variates } from "./control-variates.js";
import { learningRateIn, numberIn, roundOf, trainLocally } from "./local-training.js";
import type { LocalTraining, Round } from "./local-training.js";
import { checkPaths, offer } from "./module-checkpoints.js";
import { localParameters, merge, sharedParameters } from "./partial-exchange.js";
import type { KeepLocal } from "./partial-exchange.js";
import { openWork } from "./resumable-training.js";
import { openTrainers } from "./trainers.js";
import type { Trainers } from "./trainers.js";

/** `epochs` (default 1) and `batchSize` (default 32) are overridden by the server's `epochs` and `batch_size`. */
export interface ModuleClientOptions extends LocalTraining {
  readonly module: OnnxModule;
  readonly loss: TrainerOptions["loss"];
  readonly optimizer: TrainerOptions["optimizer"];
  /** Held out for evaluation, and for the scores of checkpointers. */
  readonly test?: LocalTraining["train"];
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
  /**
   * Ditto (Li et al. 2021, arXiv 2012.04221): besides the global model, which is trained as ever, a personal one is kept
   * in the durable state. It is trained with the term λ/2 ‖v − w‖² towards the global model received, and is what is
   * evaluated; 0 is local training. The global model's own loss is among the metrics.
   */
  readonly personal?: { readonly lambda: number; readonly checkpointers?: readonly TorchModuleCheckpointer[] };
  /**
   * SCAFFOLD (Karimireddy et al. 2020, arXiv 1910.06378): corrects every gradient by c − cᵢ, and keeps cᵢ in the durable
   * state. Needs the server's strategy `scaffold` and an SGD without memory.
   */
  readonly scaffold?: boolean;
  /**
   * Trainers for this module, loss and optimizer that several clients of one process share, one call after another.
   * Whoever opened them closes them. Default: the client's own.
   */
  readonly trainers?: Trainers;
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
  /** Ditto's personal model; absent before it was first trained. */
  readonly personal?: Parameters;
  /** SCAFFOLD's control variates of this client. */
  readonly variates?: Variates;
};

/**
 * Opens a trainer and answers with it. From the server's configuration it takes `epochs`, `batch_size`, `learning_rate`
 * or `lr`, and `proximal_mu` (FedProx); the round comes from the question, else from `server_round` or `current_round`,
 * else it is counted. Throws `argument/invalid` for options that exclude each other, for checkpointers without test data
 * or with one path, and what the trainer throws.
 */
export async function moduleClient(options: ModuleClientOptions): Promise<Client> {
  const { module, loss, test, threads = 1, preAggregation = [], postAggregation = [], personal } = options;
  const keepLocal = options.keepLocal ?? (() => false);
  checkOptions(options);
  const optimizer = options.scaffold ? corrected(options.optimizer) : options.optimizer;
  const trainers = options.trainers ?? (await openTrainers({ module, loss, optimizer, threads }));
  let memory: Memory = { fits: 0, optimizer: null, local: localParameters(module, keepLocal) };
  const received = (parameters: Parameters) =>
    module.withParameters(merge(module, parameters, memory.local, keepLocal));

  async function judge(parameters: Parameters, signal: AbortSignal): Promise<Evaluated> {
    if (test === undefined) {
      throw new FederationError("client/failed", "evaluating a module: the client has no `test` data");
    }
    return trainers.plain.evaluate(parameters, { dataset: test, signal });
  }

  /** Offers the model to checkpointers by its loss on the test data, if there are any. */
  async function checkpoint(
    checkpointers: readonly TorchModuleCheckpointer[],
    parameters: Parameters,
    context: ClientContext,
  ): Promise<void> {
    if (checkpointers.length === 0) return;
    const judged = await judge(parameters, context.signal);
    const offered = { module: module.withParameters(parameters), loss: judged.loss, metrics: metricsOf(judged) };
    await offer(checkpointers, offered, context);
  }

  async function fit(parameters: Parameters, config: Config, context: ClientContext): Promise<FitResult> {
    const work = openWork(context, options.keepProgress);
    const round: Round = { config, context, work, fits: memory.fits };
    if (options.scaffold) return fitCorrected(parameters, round);
    const whole = received(parameters).parameters;
    const { trainer, anchor } = await trainers.towards(numberIn(config, "proximal_mu") ?? 0);
    const state = memory.optimizer === null ? {} : { state: memory.optimizer };
    const trained = await trainLocally(trainer, whole, options, round, { ...state, ...anchor(whole) });
    const own = personal && (await trainPersonal(trainers, whole, personal.lambda, options, round, memory));
    await checkpoint(preAggregation, trained.parameters, context);
    memory = {
      ...remembered(trained),
      local: localParameters(module, keepLocal, trained.parameters),
      ...(own && { personal: own.parameters }),
    };
    const metrics = { loss: float(trained.loss), ...(own && { personal_loss: float(own.loss) }) };
    return fitted(sharedParameters(module, keepLocal, trained.parameters), trained, metrics);
  }

  async function fitCorrected(parameters: Parameters, round: Round): Promise<FitResult> {
    const { config, context } = round;
    const begun = beginCorrected(parameters, config, memory.variates ?? [], context.clientId);
    const whole = received(begun.model).parameters;
    const { corrections } = begun;
    const trained = await trainLocally(trainers.plain, whole, options, round, { corrections });
    const rate = trained.steps * (learningRateIn(config) ?? optimizer.learningRate);
    const { kept, records } = endCorrected(begun, trained.parameters, { round: roundOf(round), rate });
    await checkpoint(preAggregation, trained.parameters, context);
    memory = { ...remembered(trained), local: memory.local, variates: kept };
    const { tensors, entry } = packRecords(trained.parameters, records);
    return fitted(tensors, trained, { loss: float(trained.loss), ...entry });
  }

  function remembered(trained: Trained): Pick<Memory, "fits" | "optimizer"> {
    return { fits: memory.fits + 1, optimizer: options.optimizerState === "keep" ? trained.state : null };
  }

  async function evaluate(parameters: Parameters, _config: Config, context: ClientContext): Promise<EvaluateResult> {
    const whole = received(parameters);
    const judged = await judge(whole.parameters, context.signal);
    await offer(postAggregation, { module: whole, loss: judged.loss, metrics: metricsOf(judged) }, context);
    if (personal === undefined) return { ...evaluated(judged), metrics: metricsOf(judged) };
    const own = memory.personal ?? whole.parameters;
    const mine = await judge(own, context.signal);
    const offered = { module: module.withParameters(own), loss: mine.loss, metrics: metricsOf(mine) };
    await offer(personal.checkpointers ?? [], offered, context);
    return { ...evaluated(mine), metrics: { ...metricsOf(mine), ...metricsOf(judged, "global_") } };
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
    close: () => (options.trainers === undefined ? trainers.close() : undefined),
  };
}

/** Ditto: the personal model a step towards its own data, held back by its distance to the global one. */
async function trainPersonal(
  trainers: Trainers,
  global: Parameters,
  lambda: number,
  options: LocalTraining,
  round: Round,
  { personal = global }: Memory,
): Promise<Trained> {
  // In a stream of its own, so that the global model's training is what it would be without a personal one.
  const { trainer, anchor } = await trainers.towards(lambda);
  return trainLocally(trainer, personal, options, round, { ...anchor(global), stream: "personal" });
}

function checkOptions(options: ModuleClientOptions): void {
  const { test, preAggregation = [], postAggregation = [], keepLocal, personal, scaffold = false, optimizer } = options;
  const checkpointers = [...preAggregation, ...postAggregation, ...(personal?.checkpointers ?? [])];
  checkPaths(checkpointers);
  const wrong = (message: string) => new FederationError("argument/invalid", message);
  if (test === undefined && checkpointers.length > 0) {
    throw wrong("module checkpointers need a loss to judge by: give `test` data");
  }
  if ([keepLocal, personal, scaffold || undefined].filter((each) => each !== undefined).length > 1) {
    throw wrong("a client has at most one of `keepLocal`, `personal` and `scaffold`");
  }
  if (personal && !(personal.lambda >= 0 && personal.lambda < Infinity)) {
    throw wrong(`personal.lambda is a number from 0, not ${personal.lambda}`);
  }
  if (scaffold) requirePlainSgd(optimizer);
}

function fitted(parameters: Parameters, { numExamples }: Trained, metrics: Metrics): FitResult {
  return { parameters, numExamples, metrics };
}

function evaluated({ loss, numExamples }: Evaluated): { readonly loss: number; readonly numExamples: number } {
  return { loss, numExamples };
}

function metricsOf({ loss, accuracy }: Evaluated, prefix = ""): Metrics {
  return {
    [`${prefix}loss`]: float(loss),
    ...(accuracy !== undefined && { [`${prefix}accuracy`]: float(accuracy) }),
  };
}
