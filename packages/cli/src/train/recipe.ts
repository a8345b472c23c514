// How a module is trained: the loss, the optimizer and the schedule that options name. One row each.
import { FederationError } from "@perennial-fl/core";
import {
  adagrad,
  adam,
  adamW,
  binaryCrossEntropyWithLogits,
  clipByNorm,
  cosineAnnealing,
  crossEntropy,
  exponentialDecay,
  huber,
  linearWarmup,
  meanAbsoluteError,
  meanSquaredError,
  outputAsLoss,
  perEpoch,
  rmsprop,
  sgd,
  stepDecay,
} from "@perennial-fl/module";
import type { Loss, Optimizer, Schedule } from "@perennial-fl/module";
import { choice } from "../values.js";

export const losses = {
  "cross-entropy": crossEntropy,
  "bce-with-logits": binaryCrossEntropyWithLogits,
  mse: meanSquaredError,
  mae: meanAbsoluteError,
  huber,
} as const satisfies Record<string, () => Loss>;

export type LossName = keyof typeof losses;

/** The loss of a name, or of `output:NAME`. Throws `argument/invalid` for one that there is not. */
export function lossOf(name: string): Loss {
  const [kind, output] = name.split(/:(.*)/s);
  if (kind === "output" && output) return outputAsLoss(output);
  return losses[choice("--loss", Object.keys(losses) as LossName[])(name)]();
}

interface OptimizerRates {
  readonly learningRate: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
}

/** `learningRate` is the default, which is PyTorch's. */
const optimizers = {
  sgd: { make: sgd, learningRate: 0.001, takesMomentum: true },
  adam: { make: adam, learningRate: 0.001, takesMomentum: false },
  adamw: { make: adamW, learningRate: 0.001, takesMomentum: false },
  rmsprop: { make: rmsprop, learningRate: 0.01, takesMomentum: true },
  adagrad: { make: adagrad, learningRate: 0.01, takesMomentum: false },
} as const satisfies Record<
  string,
  {
    readonly make: (rates: OptimizerRates) => Optimizer;
    readonly learningRate: number;
    readonly takesMomentum: boolean;
  }
>;

export type OptimizerName = keyof typeof optimizers;
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];

export const scheduleNames = ["constant", "cosine", "step", "exponential"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

export interface RecipeArguments {
  readonly optimizer: OptimizerName;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly clipNorm?: number;
  readonly schedule: ScheduleName;
  readonly gamma?: number;
  readonly stepSize?: number;
  readonly warmup?: number;
  readonly epochs: number;
}

export interface Recipe {
  readonly optimizer: Optimizer;
  readonly learningRate: number;
  /** By the number of the step, over all epochs. */
  readonly schedule: (stepsPerEpoch: number) => Schedule;
  /** For the plan of a run: two recipes that train alike have one text. */
  readonly text: string;
}

/** Throws `argument/invalid` for an option that belongs to another optimizer or schedule. */
export function recipeOf(given: RecipeArguments): Recipe {
  const { make, takesMomentum, learningRate: usual } = optimizers[given.optimizer];
  const { learningRate = usual, momentum, weightDecay, clipNorm } = given;
  if (momentum !== undefined && !takesMomentum) {
    throw new FederationError(
      "argument/invalid",
      `--momentum ${momentum} is an option of --optimizer sgd and rmsprop, and the optimizer is ${given.optimizer}`,
    );
  }
  const plain = make({
    learningRate,
    ...(momentum !== undefined && { momentum }),
    ...(weightDecay !== undefined && { weightDecay }),
  });
  const optimizer = clipNorm === undefined ? plain : clipByNorm(clipNorm, plain);
  const { schedule, text } = scheduleOf(given, learningRate);
  return { optimizer, learningRate, schedule, text: `${optimizer.name}, learning rate ${learningRate} ${text}` };
}

function scheduleOf(given: RecipeArguments, rate: number): Pick<Recipe, "schedule" | "text"> {
  const { schedule: name, gamma, stepSize, warmup, epochs } = given;
  refuseForeign("--gamma", gamma, name, ["step", "exponential"]);
  refuseForeign("--step-size", stepSize, name, ["step"]);
  const [size, factor] = [stepSize ?? 10, gamma ?? (name === "step" ? 0.1 : 0.95)];
  const rows: { readonly [Name in ScheduleName]: readonly [text: string, (stepsPerEpoch: number) => Schedule] } = {
    constant: ["constant", () => () => rate],
    // The only one that knows how long the run is: another --epochs is another schedule.
    cosine: [`cosine over ${epochs} epochs`, (n) => cosineAnnealing(rate, { steps: n * epochs })],
    step: [`x ${factor} every ${size} epochs`, (n) => perEpoch(n, stepDecay(rate, { stepSize: size, gamma: factor }))],
    exponential: [`x ${factor} every epoch`, (n) => perEpoch(n, exponentialDecay(rate, { gamma: factor }))],
  };
  const [text, made] = rows[name];
  if (warmup === undefined) return { schedule: made, text };
  return { schedule: (n) => linearWarmup(warmup, made(n)), text: `${text}, warmed up over ${warmup} steps` };
}

function refuseForeign(flag: string, value: number | undefined, name: ScheduleName, of: readonly ScheduleName[]): void {
  if (value === undefined || of.includes(name)) return;
  throw new FederationError(
    "argument/invalid",
    `${flag} ${value} is an option of --schedule ${of.join(" and ")}, and the schedule is ${name}`,
  );
}
