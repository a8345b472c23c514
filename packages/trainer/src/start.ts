// A trainer over graphs: checks at the border, datasets in the worker, and a new worker where the old one died.
import { FederationError } from "@perennial-fl/core";
import type { Parameters, Tensor, TypedArray } from "@perennial-fl/core";
import { generatorState } from "@perennial-fl/module";
import {
  learningRates,
  referenceTensors,
  requireBatches,
  requireCursor,
  requireParameters,
  requireWhole,
  stateTensors,
} from "./checks.js";
import { checkDataset } from "./dataset.js";
import { graphPair } from "./graphs.js";
import type { Graphs } from "./graphs.js";
import type { Setup } from "./protocol.js";
import { recent } from "./recent.js";
import type { Recent } from "./recent.js";
import { startThread } from "./thread.js";
import type { Thread } from "./thread.js";
import type { Dataset, Evaluated, EvaluateOptions, Trained, Trainer, TrainOptions } from "./trainer.js";

/** Datasets that stay in the worker: training, validation and test data of a client, and some more. */
const datasetsKept = 8;

interface KeptDataset {
  readonly id: number;
  readonly count: number;
}

/** A worker, and the datasets that it holds. */
interface Workshop {
  readonly thread: Thread;
  readonly datasets: Recent<Dataset, KeptDataset>;
}

/** Starts `script` as the worker. Throws `trainer/unavailable` if the runtime cannot be loaded there. */
export async function startTrainer(
  graphs: Graphs,
  script: URL,
  setup: Setup,
  onWarning: (message: string) => void = warn,
): Promise<Trainer> {
  let closed = false;
  let datasetsSent = 0;
  let workshop: Promise<Workshop> | undefined;

  async function openWorkshop(): Promise<Workshop> {
    const leave = (): void => {
      workshop = undefined;
    };
    const thread = await startThread(script, setup, { onEnd: leave, onWarning });
    const forget = ({ id }: KeptDataset): void => {
      thread.tell({ type: "forget", dataset: id });
    };
    return { thread, datasets: recent(datasetsKept, forget) };
  }

  /** The worker that lives, or a new one: the death of one fails the calls under way and not the next. */
  function enter(doing: string, signal: AbortSignal | undefined): Promise<Workshop> {
    if (closed) throw new FederationError("trainer/aborted", `${doing} was asked of a trainer that is closed`);
    if (signal?.aborted === true) {
      throw new FederationError("trainer/aborted", `${doing} was stopped before it began`, { cause: signal.reason });
    }
    return (workshop ??= openWorkshop());
  }

  function keep({ thread, datasets }: Workshop, dataset: Dataset): KeptDataset {
    const known = datasets.get(dataset);
    if (known !== undefined) return known;
    const { count, inputs, targets } = checkDataset(dataset, graphs.example);
    const kept = { id: datasetsSent++, count };
    const examples = { count, inputs: sendable(inputs), targets: sendable(targets) };
    thread.tell({ type: "keep", dataset: kept.id, examples }, buffersOf([examples.inputs, examples.targets]));
    datasets.set(dataset, kept);
    return kept;
  }

  async function train(parameters: Parameters, options: TrainOptions): Promise<Trained> {
    const { dataset, batchSize, epochs, seed, signal, pause, onEpoch, onStep, maxSteps = Infinity } = options;
    const { firstEpoch = options.cursor?.epoch ?? 0, learningRate = graphs.learningRate } = options;
    const cursor = options.cursor ?? { epoch: firstEpoch, step: 0, lossSum: 0 };
    requireWhole("batchSize", batchSize, 1);
    requireWhole("epochs", epochs, 1);
    requireWhole("firstEpoch", firstEpoch, 0);
    if (maxSteps !== Infinity) requireWhole("maxSteps", maxSteps, 1);
    requireParameters(parameters, graphs.parameters);
    const { generator, initialState } = graphs;
    const drawing = generator === undefined ? [] : [[generator, generatorState(...seed, "epoch", firstEpoch)] as const];
    const state = stateTensors(options.state, new Map([...initialState, ...drawing])).map(copyOf);
    const references = referenceTensors(graphs, parameters, options).map(copyOf);
    const given = parameters.map(copyOf);
    const entered = await enter("training", signal);
    const { id, count } = keep(entered, dataset);
    requireBatches("training", graphs, count, batchSize);
    const stepsPerEpoch = Math.ceil(count / batchSize);
    requireCursor(cursor, firstEpoch, stepsPerEpoch);
    const rates = learningRates(learningRate, { epochs, firstEpoch, stepsPerEpoch });
    const tellsSteps = onStep !== undefined;
    const plan = { batchSize, epochs, cursor, maxSteps, tellsSteps, learningRates: rates, seed, references };
    const pair = graphPair(graphs.training, count, batchSize);
    const result = await entered.thread.ask(
      { type: "train", graphs: pair, dataset: id, parameters: given, state, ...plan },
      {
        transfer: buffersOf([...given, ...state, ...references].map(({ data }) => data)),
        signal,
        pause,
        onEpoch,
        onStep,
      },
    );
    const names = [...graphs.initialState.keys()];
    return { ...result, state: Object.fromEntries(names.map((name, i) => [name, result.state[i] as Tensor])) };
  }

  async function evaluate(parameters: Parameters, options: EvaluateOptions): Promise<Evaluated> {
    const { dataset, batchSize = graphs.fixedBatch ?? 256, signal } = options;
    requireWhole("batchSize", batchSize, 1);
    requireParameters(parameters, graphs.parameters);
    const given = parameters.map(copyOf);
    const entered = await enter("evaluation", signal);
    const { id, count } = keep(entered, dataset);
    requireBatches("evaluating", graphs, count, batchSize);
    const pair = graphPair(graphs.evaluation, count, batchSize);
    return entered.thread.ask(
      { type: "evaluate", graphs: pair, dataset: id, parameters: given, batchSize },
      { transfer: buffersOf(given.map(({ data }) => data)), signal },
    );
  }

  async function close(): Promise<void> {
    closed = true;
    await (await workshop)?.thread.end();
  }

  await enter("opening", undefined);
  return { train, evaluate, close };
}

function warn(message: string): void {
  process.emitWarning(message, "TrainerWarning");
}

/** A tensor whose buffer is its own: what is sent to the worker is moved there, and the caller's stays whole. */
function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: tensor.data.slice() };
}

/** An array as it is sent: itself over shared memory, else a copy that is moved. */
function sendable<T extends TypedArray>(array: T): T {
  return array.buffer instanceof SharedArrayBuffer ? array : (array.slice() as T);
}

function buffersOf(arrays: readonly TypedArray[]): ArrayBuffer[] {
  return arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
}
