// What a trainer does: the data that go in and come out, and the promises about them.
import type { Parameters, Saved, Tensor } from "@perennial-fl/core";
import type { Schedule } from "@perennial-fl/module";

/**
 * Examples and what should be said of them. The first axis of both tensors counts the examples. `inputs` are finite
 * float32 of the module's input shape, or any integers where the module takes int64 (an embedding's). `targets` are class labels of shape `[examples]` in any integer type for
 * a classification loss, or finite float32 of the module's output shape for a regression loss.
 *
 * The trainer keeps the eight datasets used last in its worker and knows them by identity: pass the same object again
 * and nothing is copied. Tensors over a `SharedArrayBuffer` are shared with the worker and never copied whole.
 */
export interface Dataset {
  readonly inputs: Tensor;
  readonly targets: Tensor;
}

/** How far training has come, told at the end of each epoch. */
export interface Progress {
  /** The epoch that just ended, counted from 1 within this call. */
  readonly epoch: number;
  /** Of how many in this call. */
  readonly epochs: number;
  /** The mean loss of this epoch's examples, each under the parameters of its own step. */
  readonly loss: number;
  /** Optimizer steps done in this call. */
  readonly steps: number;
}

/** How far an epoch has come, told between steps, ten times a second at most. */
export interface StepProgress {
  /** The epoch under way, counted from 1 over all calls. */
  readonly epoch: number;
  /** Steps of it that are done. */
  readonly step: number;
  /** Of how many. */
  readonly stepsPerEpoch: number;
  /** The mean loss of the epoch's examples so far. */
  readonly loss: number;
}

/** Where training stood between two steps. Plain data, to save beside parameters and state. */
export type Cursor = {
  /** The epoch under way, counted from 0 over all calls. */
  readonly epoch: number;
  /** Steps of it that are done. */
  readonly step: number;
  /** The sum over its examples so far of their losses. */
  readonly lossSum: number;
};

export interface TrainOptions {
  readonly dataset: Dataset;
  /**
   * Examples per step, from 1. The last step of an epoch takes what is left. A module that was
   * exported with a fixed batch takes batches of that size only, and a number of examples that it divides.
   */
  readonly batchSize: number;
  /** Passes over the dataset, from 1. */
  readonly epochs: number;
  /** Overrides the optimizer's own. A schedule's steps count from epoch 0, also when `firstEpoch` is another. */
  readonly learningRate?: number | Schedule;
  /**
   * The model not to stray from, for an optimizer with a proximal term (default: the parameters given). A call that goes on
   * where another ended needs the anchor of that one; a personal model (Ditto) the global one.
   */
  readonly anchor?: Parameters;
  /** What is added to the gradients, in the order of the parameters, for a `corrected` optimizer: SCAFFOLD's c - c_i. */
  readonly corrections?: Parameters;
  /** What the shuffle is for, such as `[seed, clientId, round]`; epoch k is shuffled by this and k alone. */
  readonly seed: readonly (string | number)[];
  /** Epochs that earlier calls with this seed have done (default 0), so that a call can go on where another ended. */
  readonly firstEpoch?: number;
  /** Where a paused call stood, to go on there: `firstEpoch` is then its `epoch`, and that epoch counts among `epochs`. */
  readonly cursor?: Cursor;
  /** The training state that an earlier call returned; when absent, a fresh one, whose dropout is seeded by `seed`. */
  readonly state?: Saved;
  /** Stops training within one step and throws: what was trained is lost. */
  readonly signal?: AbortSignal;
  /** Pauses training within one step: the call resolves to what was trained, with a {@link Trained.cursor}. */
  readonly pause?: AbortSignal;
  /** Pauses training after so many steps of this call, from 1. */
  readonly maxSteps?: number;
  readonly onEpoch?: (progress: Progress) => void;
  readonly onStep?: (progress: StepProgress) => void;
}

export interface Trained {
  /** In the order of the parameters given. Always finite. */
  readonly parameters: Parameters;
  /** The optimizer's memory and the generator of dropout: a tensor by name. Plain data to save and to give to the next call. */
  readonly state: Saved;
  /** The mean loss of the last epoch's examples, each under the parameters of its own step; NaN before its first step. */
  readonly loss: number;
  /** Where training was paused; absent when all epochs are done. */
  readonly cursor?: Cursor;
  readonly numExamples: number;
  /** Optimizer steps done. */
  readonly steps: number;
}

export interface EvaluateOptions {
  readonly dataset: Dataset;
  /** Examples per run (default 256, or the module's fixed batch): more is faster and needs more memory. */
  readonly batchSize?: number;
  /** Stops evaluation within one batch. */
  readonly signal?: AbortSignal;
}

export interface Evaluated {
  /** Mean over the examples, or over weights where the loss has some. NaN or an infinity when the module says so: a bad module is a finding, not a failure. */
  readonly loss: number;
  /** Share of labels whose output is the largest, 0 to 1, ignored ones aside; only for a classification loss. */
  readonly accuracy?: number;
  readonly numExamples: number;
}

/**
 * Trains and evaluates one module, in a worker thread of its own: the event loop of the caller stays free. Calls are
 * answered one after the other. A call changes nothing that it was given, also when it fails, and a trainer can be
 * used again after a failure.
 *
 * The same inputs and one thread give the same bytes, from call to call and from process to process on one machine.
 * Two calls of one epoch, the second with the first's `parameters` and `state` and with `firstEpoch: 1`, give the
 * bytes of one call of two epochs; so do any calls of which each begins at the cursor of the one before.
 *
 * Calls throw `data/invalid` for a dataset that does not fit, `model/shape` for batches of another size than the module
 * was exported for, `model/mismatch` for parameters or a state of another
 * module or optimizer, `argument/invalid` for an impossible option, `trainer/aborted` when the signal fires or the
 * trainer is closed, and `trainer/failed` (it names epoch and step) when the runtime fails or the loss is not finite.
 */
export interface Trainer {
  train(parameters: Parameters, options: TrainOptions): Promise<Trained>;
  evaluate(parameters: Parameters, options: EvaluateOptions): Promise<Evaluated>;
  /** Ends the worker; calls under way throw `trainer/aborted`. */
  close(): Promise<void>;
}
