// What a local training says, as data.
import type { StepProgress } from "@perennial-fl/trainer";

/** What is known of a model after an epoch. */
export type EpochScore = {
  /** Counted from 1. */
  readonly epoch: number;
  /** The mean loss of the epoch's training examples. */
  readonly loss: number;
  readonly validationLoss?: number;
  /** Share of the validation examples told right, for a loss that knows what right is. */
  readonly accuracy?: number;
};

export type TrainEvent =
  | {
      readonly type: "started";
      readonly examples: number;
      readonly validationExamples: number;
      readonly parameters: number;
      readonly epochs: number;
      readonly recipe: string;
      readonly stateDir: string;
    }
  /** Goes on after so many steps of this epoch; `scores` are those of the epochs before. */
  | { readonly type: "resumed"; readonly epoch: number; readonly step: number; readonly scores: readonly EpochScore[] }
  /** Something that a person should know of the module. */
  | { readonly type: "note"; readonly message: string }
  | { readonly type: "warning"; readonly message: string }
  | ({ readonly type: "stepped" } & StepProgress)
  /** It is saved; `best` says whether no earlier one was better on the validation data. */
  | ({ readonly type: "epoch-ended"; readonly epochs: number; readonly best?: boolean } & EpochScore)
  | { readonly type: "saved"; readonly epoch: number; readonly step: number }
  | {
      readonly type: "finished";
      readonly epochs: number;
      readonly parametersSha256: string;
      readonly checkpoints: readonly string[];
    };
