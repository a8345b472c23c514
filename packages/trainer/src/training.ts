// The training loop, as the worker runs it.
import { describeTensor, FederationError, firstNonFinite, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { arranged, restored } from "@perennial-fl/module";
import type { Layout } from "@perennial-fl/module";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { allocateBatch, epochOrder, fillBatch } from "./batches.js";
import type { Batch } from "./batches.js";
import type { Elements, Examples } from "./dataset.js";
import type { Layouts } from "./lowering.js";
import type { BatchGraph, Control, TrainingGraph, TrainResult, TrainTask } from "./protocol.js";
import type { Runtime } from "./runtime.js";
import type { Sessions } from "./sessions.js";
import { beginStep, graphFor, isPaused, place } from "./task.js";
import type { Cursor, Progress, StepProgress } from "./trainer.js";

type Values = readonly OrtTensor[];

interface Listeners {
  readonly onEpoch: (progress: Progress) => void;
  readonly onStep: (progress: StepProgress) => void;
}

/** Trains until `task.epochs` are done or a pause comes. The task's tensors belong to this call, which overwrites them. */
export async function train(
  task: TrainTask,
  examples: Examples,
  runtime: Runtime,
  sessions: Sessions,
  shared: Control,
  { onEpoch, onStep }: Listeners,
): Promise<TrainResult> {
  const { batchSize, epochs, cursor } = task;
  const { count } = examples;
  const step = stepper(task, runtime, sessions);
  const batches = new Map([batchSize, count % batchSize].map((size) => [size, allocateBatch(examples, size)]));
  const stepsPerEpoch = Math.ceil(count / batchSize);

  const isDue = every(task.tellsSteps ? tellMs : Infinity);
  let [steps, loss] = [0, NaN];
  let paused: Cursor | undefined;
  for (let epoch = 1; epoch <= epochs && paused === undefined; epoch++) {
    const number = cursor.epoch + epoch - 1;
    const order = epochOrder(count, task.seed, number);
    const done = epoch === 1 ? cursor.step : 0;
    let sum = epoch === 1 ? cursor.lossSum : 0;
    let start = done * batchSize;
    for (; start < count; start += batchSize) {
      if (isPaused(shared) || steps >= task.maxSteps) {
        paused = { epoch: number, step: start / batchSize, lossSum: sum };
        break;
      }
      beginStep(shared, "training", number + 1, start / batchSize + 1);
      const batch = batches.get(Math.min(batchSize, count - start)) as Batch;
      fillBatch(batch, examples, start, order);
      const rate = task.learningRates.at((epoch - 1) * stepsPerEpoch + start / batchSize) ?? task.learningRates[0];
      const batchLoss = await step.run(batch, rate as number);
      if (!Number.isFinite(batchLoss)) {
        throw new FederationError("trainer/failed", `training diverged: the loss is ${batchLoss} ${place(shared)}`);
      }
      sum += batchLoss * batch.size;
      steps++;
      if (isDue()) {
        const step = start / batchSize + 1;
        onStep({ epoch: number + 1, step, stepsPerEpoch, loss: sum / Math.min(start + batchSize, count) });
      }
    }
    loss = sum / Math.min(start, count);
    if (paused === undefined) onEpoch({ epoch, epochs, loss, steps });
  }
  const { parameters, state } = step.values();
  requireFinite(parameters, task, shared);
  return { parameters, state, loss, ...(paused && { cursor: paused }), numExamples: count, steps };
}

/** How often steps are told of. */
const tellMs = 100;

/** True once in so many milliseconds. */
function every(ms: number): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < ms) return false;
    last = now;
    return true;
  };
}

/** Runs steps one after the other; what a step gives is what the next one takes. */
function stepper(task: TrainTask, runtime: Runtime, sessions: Sessions) {
  const ort = (held: Tensor): OrtTensor => toOrt(runtime, held);
  let references: Values = task.references.map(ort);
  const given = [...task.parameters, ...task.state];
  // Two sets of buffers in turn: a step that wrote over what it reads would be wrong without a word.
  let current: Values = given.map(ort);
  let next: Values = given.map((held) => ort({ ...held, data: held.data.slice() }));
  let laid: Layouts = new Map();

  /** Puts everything in the order in which the next graph takes it: at the first step, and where another graph comes. */
  function lay(graph: TrainingGraph, wanted: Layouts): void {
    if (wanted === laid) return;
    const moved = (values: Values, names: readonly string[]): Values =>
      values.map((value, i) =>
        ort(relaid(tensorOf(value), laid.get(names[i] as string), wanted.get(names[i] as string))),
      );
    const names = [...graph.parameters, ...graph.state].map(({ input }) => input);
    [current, references] = [moved(current, names), moved(references, graph.references)];
    laid = wanted;
  }

  return {
    /** One step on a batch, and its loss. */
    async run(batch: Batch, learningRate: number): Promise<number> {
      const graph = graphFor(task.graphs, batch.size);
      lay(graph, await sessions.layouts(graph));
      const carried = [...graph.parameters, ...graph.state];
      const feeds: Record<string, OrtTensor> = {
        [graph.learningRate]: new runtime.Tensor("float32", Float32Array.of(learningRate), []),
        ...batchTensors(runtime, batch, graph),
      };
      const fetches: Record<string, OrtTensor | null> = { [graph.loss]: null };
      carried.forEach(({ input, output }, i) => {
        feeds[input] = current[i] as OrtTensor;
        fetches[output] = runtime.fillsFetches ? (next[i] as OrtTensor) : null;
      });
      graph.references.forEach((name, i) => {
        feeds[name] = references[i] as OrtTensor;
      });
      const outputs = await sessions.run(graph, feeds, fetches);
      const stepped = runtime.fillsFetches ? next : carried.map(({ output }) => outputs[output] as OrtTensor);
      [current, next] = [stepped, current];
      return Number((outputs[graph.loss] as OrtTensor).data[0]);
    },
    values(): { parameters: Tensor[]; state: Tensor[] } {
      const graph = (task.graphs.full ?? task.graphs.rest) as TrainingGraph;
      lay(graph, new Map());
      const values = current.map(tensorOf);
      return { parameters: values.slice(0, task.parameters.length), state: values.slice(task.parameters.length) };
    },
  };
}

function tensorOf({ type, dims, data }: OrtTensor): Tensor {
  return tensor(type as Tensor["dtype"], dims, data as never);
}

function relaid(held: Tensor, from: Layout | undefined, to: Layout | undefined): Tensor {
  if (JSON.stringify(from) === JSON.stringify(to)) return held;
  const plain = from === undefined ? held : restored(held, from);
  return to === undefined ? plain : arranged(plain, to);
}

export function toOrt(runtime: Runtime, { dtype, shape, data }: Tensor): OrtTensor {
  // The names of our element types are the runtime's own.
  return new runtime.Tensor(dtype, data as never, shape);
}

/** A batch as a graph takes it. */
export function batchTensors(runtime: Runtime, batch: Batch, graph: BatchGraph): Record<string, OrtTensor> {
  const ort = (data: Elements, shape: readonly number[]): OrtTensor =>
    data instanceof BigInt64Array
      ? new runtime.Tensor("int64", data, shape)
      : new runtime.Tensor("float32", data, shape);
  return {
    [graph.input]: ort(batch.inputs, graph.inputShape),
    [graph.target]: ort(batch.targets, graph.targetShape),
  };
}

/** The last step can end beyond float32 though its loss, which it computed first, was finite. */
function requireFinite(parameters: readonly Tensor[], task: TrainTask, shared: Control): void {
  for (const [i, parameter] of parameters.entries()) {
    const at = firstNonFinite(parameter);
    if (at < 0) continue;
    const name = (task.graphs.full ?? task.graphs.rest)?.parameters[i]?.input ?? i;
    throw new FederationError(
      "trainer/failed",
      `training diverged: parameter ${name}, ${describeTensor(parameter)}, holds ` +
        `${String(parameter.data[at])} at ${at} ${place(shared)}`,
    );
  }
}
