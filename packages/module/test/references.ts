// What PyTorch says of losses and optimizers: fixtures/training.json, made by make-training.py.
import { readFileSync } from "node:fs";
import { float32 } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";

export interface Listed {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface References {
  readonly losses: readonly {
    readonly name: string;
    readonly loss: string;
    readonly options: object;
    readonly scores: Listed;
    readonly targets: Listed;
    readonly value: number;
    readonly gradient: Listed;
  }[];
  readonly start: { readonly initial: readonly Listed[]; readonly features: Listed; readonly targets: Listed };
  readonly corrections: readonly Listed[];
  readonly optimizers: readonly {
    readonly name: string;
    readonly optimizer: string;
    readonly options: object;
    readonly losses: readonly number[];
    readonly parameters: readonly Listed[];
  }[];
  readonly schedules: readonly { readonly name: string; readonly rates: readonly number[] }[];
}

const file = new URL("../../fixtures/training.json", import.meta.url);

export const { losses, start, corrections, optimizers, schedules } = JSON.parse(
  readFileSync(file, "utf8"),
) as References;

export function listed({ shape, data }: Listed): Tensor {
  return float32(shape, data);
}
