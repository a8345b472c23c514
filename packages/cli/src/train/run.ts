// Trains a module here, epoch after epoch: what is shown has been saved, and a run that was cut goes on where it was.
import { join } from "node:path";
import { FederationError, float, isFederationError } from "@perennial-fl/core";
import type { Metrics } from "@perennial-fl/core";
import {
  BestLossTorchModuleCheckpointer,
  directoryStorage,
  FunctionTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  parametersSha256,
  PerRoundStateCheckpointer,
} from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import type { Cursor, Trained, Trainer } from "@perennial-fl/trainer";
import type { Split } from "../data/split.js";
import type { EpochScore, TrainEvent } from "./events.js";
import type { Recipe } from "./recipe.js";
import { loadTrainState, stateName } from "./state.js";
import type { ResumeRule, TrainPlan, TrainState } from "./state.js";

export interface TrainRun {
  readonly module: OnnxModule;
  readonly data: Split;
  readonly recipe: Recipe;
  readonly plan: TrainPlan;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly bestBy: "accuracy" | "loss";
  /** Saves also within epochs, after so many steps. */
  readonly saveEvery?: number;
  readonly stateDir: string;
  readonly resume: ResumeRule;
  /** Where the module goes when all epochs are done. */
  readonly out?: LatestTorchModuleCheckpointer;
}

/**
 * Trains to the end, and says whether it came there; `pause` ends it within a step, with everything saved. Throws
 * `trainer/failed`, naming epoch and step, when the loss is no number: the state of before is kept.
 */
export async function trainLocally(
  run: TrainRun,
  trainer: Trainer,
  show: (event: TrainEvent) => void,
  pause: AbortSignal,
): Promise<boolean> {
  const { module, data, recipe, plan, epochs, stateDir } = run;
  const lock = await directoryStorage(stateDir).lock();
  try {
    const report = (message: string): void => {
      show({ type: "warning", message });
    };
    const states = new PerRoundStateCheckpointer(stateDir, { report });
    const found = await loadTrainState(states, plan, run.resume);
    show({
      type: "started",
      examples: data.train.inputs.shape[0] as number,
      validationExamples: data.validation?.inputs.shape[0] ?? 0,
      parameters: module.parameters.reduce((sum, { data: { length } }) => sum + length, 0),
      epochs,
      recipe: recipe.text,
      stateDir,
    });
    if (found !== undefined) {
      const { cursor, scores } = found;
      show({ type: "resumed", epoch: cursor.epoch + 1, step: cursor.step, scores });
    }
    const offer = checkpointing(run, report);
    const save = (state: TrainState): Promise<void> => states.saveCheckpoint(stateName, state);
    let state: TrainState = found ?? beginning(run);
    while (state.cursor.epoch < epochs) {
      const trained = await trainOn(run, trainer, state, show, pause);
      state = {
        ...state,
        parameters: trained.parameters,
        optimizer: trained.state,
        cursor: cursorAfter(state, trained),
      };
      if (trained.cursor === undefined) {
        const score = await judge(run, trainer, trained, state.cursor.epoch);
        // Offered before the state says that the epoch is over: after that, nobody would offer this model again.
        await offer(module.withParameters(trained.parameters), score);
        const best = isBest(run, state.scores, score);
        state = { ...state, scores: [...state.scores, score] };
        await save(state);
        show({ type: "epoch-ended", ...score, epochs, ...(data.validation !== undefined && { best }) });
      } else {
        await save(state);
        show({ type: "saved", epoch: state.cursor.epoch + 1, step: state.cursor.step });
      }
      if (pause.aborted && state.cursor.epoch < epochs) return false;
    }
    await finish(run, state, show);
    return true;
  } finally {
    await lock.release();
  }
}

function beginning({ module, plan }: TrainRun): TrainState {
  const cursor = { epoch: 0, step: 0, lossSum: 0 };
  return { kind: "training", plan, cursor, parameters: module.parameters, optimizer: null, scores: [] };
}

/** The rest of the epoch, or as much of it as is trained before the next save. */
async function trainOn(
  { data, recipe, batchSize, seed, saveEvery, stateDir }: TrainRun,
  trainer: Trainer,
  { parameters, optimizer, cursor }: TrainState,
  show: (event: TrainEvent) => void,
  pause: AbortSignal,
): Promise<Trained> {
  const stepsPerEpoch = Math.ceil((data.train.inputs.shape[0] as number) / batchSize);
  try {
    return await trainer.train(parameters, {
      dataset: data.train,
      batchSize,
      epochs: 1,
      cursor,
      seed: ["train", seed],
      learningRate: recipe.schedule(stepsPerEpoch),
      pause,
      onStep: (progress) => {
        show({ type: "stepped", ...progress });
      },
      ...(optimizer !== null && { state: optimizer }),
      ...(saveEvery !== undefined && { maxSteps: saveEvery }),
    });
  } catch (error) {
    if (!isFederationError(error, "trainer/failed")) throw error;
    const { epoch, step } = cursor;
    const kept =
      epoch + step === 0
        ? "nothing was trained before"
        : `the state of before, ${step === 0 ? `after epoch ${epoch}` : `epoch ${epoch + 1} after ${step} steps`}, is kept in ${stateDir}`;
    throw new FederationError("trainer/failed", `${error.message}; ${kept}`, { cause: error });
  }
}

function cursorAfter({ cursor }: TrainState, trained: Trained): Cursor {
  return trained.cursor ?? { epoch: cursor.epoch + 1, step: 0, lossSum: 0 };
}

async function judge({ data }: TrainRun, trainer: Trainer, trained: Trained, epoch: number): Promise<EpochScore> {
  const { parameters, loss } = trained;
  if (data.validation === undefined) return { epoch, loss };
  const judged = await trainer.evaluate(parameters, { dataset: data.validation });
  const { accuracy } = judged;
  return { epoch, loss, validationLoss: judged.loss, ...(accuracy !== undefined && { accuracy }) };
}

/** Offers a module to the checkpointers: the latest, and the best where data judge. */
function checkpointing({ stateDir, data, bestBy }: TrainRun, report: (message: string) => void) {
  const latest = new LatestTorchModuleCheckpointer(stateDir, "latest.onnx", { report });
  const best =
    bestBy === "loss"
      ? new BestLossTorchModuleCheckpointer(stateDir, "best.onnx", { report })
      : new FunctionTorchModuleCheckpointer(stateDir, "best.onnx", scoreOf, true, { report });
  return async (module: OnnxModule, { loss, validationLoss = loss, accuracy }: EpochScore): Promise<void> => {
    const metrics: Metrics = accuracy === undefined ? {} : { accuracy: float(accuracy) };
    await latest.maybeCheckpoint(module, validationLoss, metrics);
    if (data.validation !== undefined) await best.maybeCheckpoint(module, validationLoss, metrics);
  };
}

/** Whether the best checkpointer keeps this one: it is better than all before. */
function isBest({ bestBy }: TrainRun, before: readonly EpochScore[], score: EpochScore): boolean {
  const value = (of: EpochScore): number => (bestBy === "loss" ? -(of.validationLoss ?? NaN) : (of.accuracy ?? NaN));
  return before.every((other) => !(value(other) >= value(score)));
}

function scoreOf(_loss: number, { accuracy }: Metrics): number {
  return typeof accuracy === "object" && "float" in accuracy ? accuracy.float : NaN;
}

async function finish(
  { module, stateDir, epochs, data, out }: TrainRun,
  { parameters, scores }: TrainState,
  show: (event: TrainEvent) => void,
): Promise<void> {
  const last = scores.at(-1);
  await out?.maybeCheckpoint(module.withParameters(parameters), last?.validationLoss ?? last?.loss ?? NaN, {});
  const kept = [...(data.validation === undefined ? [] : ["best.onnx"]), "latest.onnx"];
  show({
    type: "finished",
    epochs,
    parametersSha256: parametersSha256(parameters),
    checkpoints: [...kept.map((name) => join(stateDir, name)), ...(out === undefined ? [] : [out.checkpointPath])],
  });
}
