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
      const next = { w: copy(current), m: copy(state.m), v: copy(state.v) };
      for (const [index, tensor] of aggregate.entries()) {
        const target = elements(tensor);
        const [w, m, v] = [elements(next.w[index]), elements(next.m[index]), elements(next.v[index])];
        for (let i = 0; i < target.length; i++) {
          const delta = at(target, i) - at(w, i);
          m[i] = beta1 * at(m, i) + (1 - beta1) * delta;
          v[i] = beta2 * at(v, i) + (1 - beta2) * delta * delta;
          w[i] = at(w, i) + (rate * at(m, i)) / (Math.sqrt(at(v, i)) + tau);
        }
      }
      return [next.w, { step, m: next.m, v: next.v }];
    },
  };
}

function copy(parameters: Parameters): Tensor[] {
  return parameters.map(({ shape, data }) => float32(shape, data.slice() as Float32Array));
}

function checkFloat32(tensor: Tensor): void {
  if (tensor.dtype !== "float32") {
    throw new FederationError("strategy/failed", `fedadam moves float32 tensors, not ${describeTensor(tensor)}`);
  }
}

function elements(tensor: Tensor | undefined): Float32Array {
  if (tensor === undefined)
    throw new FederationError("strategy/failed", "fedadam's moments and the model differ in length");
  return tensor.data as Float32Array;
}

function at(values: Float32Array, index: number): number {
  return values[index] as number;
}
