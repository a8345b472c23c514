// What training and evaluating have in common in the worker: where a task stands, how it stops, how it fails.
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import { control } from "./protocol.js";
import type { Control, GraphPair, BatchGraph } from "./protocol.js";

/** Notes which step comes next, for whoever has to report a failure. Throws `trainer/aborted` if told to stop. */
export function beginStep(shared: Control, doing: string, epoch: number, step: number): void {
  Atomics.store(shared, control.epoch, epoch);
  Atomics.store(shared, control.step, step);
  if (Atomics.load(shared, control.stop) !== 0)
    throw new FederationError("trainer/aborted", `${doing} was stopped ${place(shared)}`);
}

/** Whether a task is to end before its next step and keep what it has. */
export function isPaused(shared: Control): boolean {
  return Atomics.load(shared, control.pause) !== 0;
}

/** Where a task stands: `in epoch 2, step 17`, both counted from 1, over all calls; evaluation has no epochs. */
export function place(shared: Control): string {
  const epoch = Atomics.load(shared, control.epoch);
  const step = Atomics.load(shared, control.step);
  if (step === 0) return "before the first step";
  return epoch === 0 ? `in batch ${step}` : `in epoch ${epoch}, step ${step}`;
}

/** Gives an error of the runtime a code and a place; ours pass as they are. */
export function failedAt(shared: Control, doing: string, cause: unknown): FederationError {
  if (isFederationError(cause)) return cause;
  return new FederationError("trainer/failed", `${doing} failed ${place(shared)}: ${messageOf(cause)}`, { cause });
}

/** The graph for a batch. */
export function graphFor<Graph extends BatchGraph>(graphs: GraphPair<Graph>, size: number): Graph {
  const graph = graphs.full?.batchSize === size ? graphs.full : graphs.rest;
  if (graph?.batchSize !== size) throw new Error(`assertion failed: no graph for batches of ${size}`);
  return graph;
}
