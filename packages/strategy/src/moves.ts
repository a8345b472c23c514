// How the global model moves: rules over (aggregate, state, current), in the symbols of their papers.
import { float32, FederationError, describeTensor } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import type { Move } from "./strategy.js";

/** w ← ŵ. The aggregate becomes the model; nothing is remembered. */
export const replace: Move<null> = {
  init: () => null,
  update: (aggregate) => [aggregate, null],
};

export interface AdamMoveOptions {
  /** η, the server's learning rate. */
  readonly eta: number;
  readonly beta1: number;
  readonly beta2: number;
  /** τ, the degree of adaptivity. */
  readonly tau: number;
}

export type AdamMoveState = { readonly step: number; readonly m: Parameters; readonly v: Parameters };

/**
 * FedAdam (Reddi et al. 2021, arXiv 2003.00295) with the bias correction that Flower applies, in which the t-th
 * update counts as t + 1. With Δ = ŵ − w:
 *
 *     m ← β₁ m + (1 − β₁) Δ        v ← β₂ v + (1 − β₂) Δ²
 *     w ← w + η √(1 − β₂^(t+1)) / (1 − β₁^(t+1)) · m / (√v + τ)
 *
 * Float tensors only; the moments are float32, the arithmetic float64.
 */
export function adamMove({ eta, beta1, beta2, tau }: AdamMoveOptions): Move<AdamMoveState> {
  return {
    init(parameters) {
      for (const tensor of parameters) checkFloat32(tensor);
      const blank = () => parameters.map(({ shape, data }) => float32(shape, new Float32Array(data.length)));
      return { step: 0, m: blank(), v: blank() };
    },
    update(aggregate, state, current) {
      const step = state.step + 1;
      const rate = (eta * Math.sqrt(1 - beta2 ** (step + 1))) / (1 - beta1 ** (step + 1));
      const moved = current.map((w, index) => {
        const [target, m, v] = [aggregate[index], state.m[index], state.v[index]].map(elements);
        const next = {
          w: new Float32Array(w.data.length),
          m: new Float32Array(w.data.length),
          v: new Float32Array(w.data.length),
        };
        const from = elements(w);
        for (let i = 0; i < from.length; i++) {
          const delta = at(target, i) - at(from, i);
          next.m[i] = beta1 * at(m, i) + (1 - beta1) * delta;
          next.v[i] = beta2 * at(v, i) + (1 - beta2) * delta * delta;
          next.w[i] = at(from, i) + (rate * at(next.m, i)) / (Math.sqrt(at(next.v, i)) + tau);
        }
        return next;
      });
      const column = (name: "w" | "m" | "v") =>
        current.map(({ shape }, index) => float32(shape, moved[index]?.[name] ?? new Float32Array()));
      return [column("w"), { step, m: column("m"), v: column("v") }];
    },
  };
}

function checkFloat32(tensor: Tensor): void {
  if (tensor.dtype !== "float32") {
    throw new FederationError("strategy/failed", `fedadam moves float32 tensors, not ${describeTensor(tensor)}`);
  }
}

function elements(tensor: Tensor | undefined): Float32Array {
  if (tensor === undefined) throw new FederationError("strategy/failed", "a moment or an aggregate lacks a tensor");
  return tensor.data as Float32Array;
}

function at(values: Float32Array | undefined, index: number): number {
  return (values as Float32Array)[index] as number;
}
