// What the main thread and the worker say to each other. All of it is plain data that can be cloned.
import type { ErrorCode, Tensor } from "@perennial-fl/core";
import type { LoweringName } from "@perennial-fl/module";
import type { Examples } from "./dataset.js";
import type { Lifeline } from "./lifeline.js";
import type { RuntimeChoice } from "./runtime.js";
import type { Cursor, Evaluated, Progress, StepProgress, Trained } from "./trainer.js";

/** A value that a graph takes and gives back changed: a parameter, or a part of the optimizer's state. */
export interface Carried {
  readonly input: string;
  /** The graph's output that is this value after the step. */
  readonly output: string;
}

/** A graph for batches of one size. The names are those of its inputs and outputs. */
export interface BatchGraph {
  /** Tells graphs apart in the worker's cache of sessions. */
  readonly key: string;
  readonly batchSize: number;
  readonly bytes: Uint8Array;
  /** The graph for the other batches of the same call; one session may serve both. */
  readonly sibling?: BatchGraph;
  readonly input: string;
  readonly inputShape: readonly number[];
  readonly target: string;
  readonly targetShape: readonly number[];
  /** The mean loss of the batch in a training graph, the sum in an evaluation graph. */
  readonly loss: string;
}

/** One optimizer step: forward, loss, backward, update. */
export interface TrainingGraph extends BatchGraph {
  readonly learningRate: string;
  readonly parameters: readonly Carried[];
  readonly state: readonly Carried[];
  /** Fed the same in every step. */
  readonly references: readonly string[];
}

/** Loss and, for a classification loss, the count of examples answered right. */
export interface EvaluationGraph extends BatchGraph {
  readonly parameters: readonly string[];
  readonly weight?: string;
  readonly correct?: string;
  readonly counted?: string;
}

/** A graph for full batches and one for what is left over, each present if there is such a batch. */
export interface GraphPair<Graph extends BatchGraph> {
  readonly full?: Graph;
  readonly rest?: Graph;
}

export interface TrainTask {
  readonly type: "train";
  readonly graphs: GraphPair<TrainingGraph>;
  readonly dataset: number;
  readonly parameters: readonly Tensor[];
  readonly state: readonly Tensor[];
  readonly references: readonly Tensor[];
  readonly batchSize: number;
  readonly epochs: number;
  /** Where training begins. */
  readonly cursor: Cursor;
  readonly maxSteps: number;
  /** Whether anybody listens to single steps. */
  readonly tellsSteps: boolean;
  /** Of every step of this call, or one for all. */
  readonly learningRates: Float32Array;
  readonly seed: readonly (string | number)[];
}

export interface EvaluateTask {
  readonly type: "evaluate";
  readonly graphs: GraphPair<EvaluationGraph>;
  readonly dataset: number;
  readonly parameters: readonly Tensor[];
  readonly batchSize: number;
}

export type Task = TrainTask | EvaluateTask;

/** What training ends with in the worker; the names of the state are the main thread's business. */
export type TrainResult = Omit<Trained, "state"> & { readonly state: readonly Tensor[] };

export type ResultOf<T extends Task> = T extends TrainTask ? TrainResult : Evaluated;

/**
 * Memory that both threads see while a task runs: whether to stop or to pause, and where the task stands, so that even the death
 * of the worker is reported with its epoch and step.
 */
export type Control = Int32Array;
export const control = { stop: 0, pause: 1, epoch: 2, step: 3, length: 4 } as const;

export interface Setup {
  readonly threads: number;
  readonly executionProvider: string;
  readonly runtime?: RuntimeChoice;
  readonly lowerings: readonly LoweringName[];
}

/** What a worker is started with. */
export interface WorkerData extends Setup {
  readonly lifeline: Lifeline;
}

export type ToWorker =
  | { readonly type: "keep"; readonly dataset: number; readonly examples: Examples }
  | { readonly type: "forget"; readonly dataset: number }
  | { readonly type: "do"; readonly id: number; readonly task: Task; readonly control: Control }
  | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "ready"; readonly warning?: string }
  | { readonly type: "unavailable"; readonly failure: FailureReport }
  | { readonly type: "progressed"; readonly id: number; readonly progress: Progress }
  | { readonly type: "stepped"; readonly id: number; readonly progress: StepProgress }
  | { readonly type: "done"; readonly id: number; readonly result: TrainResult | Evaluated }
  | { readonly type: "failed"; readonly id: number; readonly failure: FailureReport };

/** A `FederationError` on its way between threads, which keep only the message of an error. */
export interface FailureReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: string;
}
