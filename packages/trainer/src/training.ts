// The training loop, as the worker runs it.
import { describeTensor, FederationError, firstNonFinite } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { allocateBatch, epochOrder, fillBatch } from "./batches.js";
import type { Batch } from "./batches.js";
import type { Examples } from "./dataset.js";
import type { Control, TrainResult, TrainTask } from "./protocol.js";
import type { Runtime } from "./runtime.js";
import type { Sessions } from "./sessions.js";
import { stepper } from "./stepper.js";
import { beginStep, isPaused, place } from "./task.js";
import type { Cursor, Progress, StepProgress } from "./trainer.js";

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
