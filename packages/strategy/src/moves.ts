// How the global model moves: rules over (aggregate, state, current), in the symbols of their papers.
// All but `replace` move float32 tensors; their moments are float32, as numpy's are in Flower, the arithmetic float64.
import { FederationError, describeTensor, firstNonFinite, float32 } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { numbersOf, tensorOf } from "./numbers.js";
import type { Move } from "./strategy.js";

/** w ← ŵ. The aggregate becomes the model; nothing is remembered. */
export const replace: Move<null> = {
  init: () => null,
  update: (aggregate) => [aggregate, null],
};

/** w ← w + η (ŵ − w): with η = 1 the aggregate itself, to the bit. Nothing is remembered. */
export function stepMove(eta: number): Move<null> {
  if (eta === 1) return replace;
  return {
    init: () => null,
    update: (aggregate, state, current) => [
      current.map((w, index) => {
        const [from, to] = [numbersOf(w), numbersOf(aggregate[index] as Tensor)];
        return tensorOf(
          w,
          Float64Array.from(from, (x, i) => x + eta * ((to[i] as number) - x)),
        );
      }),
      state,
    ],
  };
}

/** What the moves of a server optimizer remember: how many updates they made, and their moments. */
export type MomentState = { readonly step: number; readonly m: Parameters; readonly v: Parameters };

export interface MomentumOptions {
  /** η, the server's learning rate. */
  readonly eta: number;
  /** μ, the momentum. */
  readonly mu: number;
}

/** FedAvgM (Hsu et al. 2019, arXiv 1909.06335): m ← μ m + (w − ŵ), w ← w − η m. */
export function momentumMove({ eta, mu }: MomentumOptions): Move<MomentState> {
  return momentMove("fedavgm", (w, target, m) => {
    for (let i = 0; i < w.length; i++) {
      const moment = mu * at(m, i) + (at(w, i) - at(target, i));
      m[i] = moment;
      w[i] = at(w, i) - eta * moment;
    }
  });
}

export interface AdaptiveOptions {
  /** η, the server's learning rate. */
  readonly eta: number;
  readonly beta1: number;
  readonly beta2: number;
  /** τ, the degree of adaptivity. */
  readonly tau: number;
}

/** FedAdagrad (Reddi et al. 2021, arXiv 2003.00295). With Δ = ŵ − w: m ← β₁ m + (1 − β₁) Δ, v ← v + Δ², w ← w + η m / (√v + τ). */
export function adagradMove({ eta, beta1, tau }: AdaptiveOptions): Move<MomentState> {
  return momentMove("fedadagrad", (w, target, m, v) => {
    for (let i = 0; i < w.length; i++) {
      const delta = at(target, i) - at(w, i);
      m[i] = beta1 * at(m, i) + (1 - beta1) * delta;
      v[i] = at(v, i) + delta * delta;
      w[i] = at(w, i) + (eta * at(m, i)) / (Math.sqrt(at(v, i)) + tau);
    }
  });
}

/** Whose FedAdam: Flower's corrects the moments' bias, the paper's does not. */
export type AdamForm = "flower" | "paper";

/**
 * FedAdam (Reddi et al. 2021): m ← β₁ m + (1 − β₁) Δ, v ← β₂ v + (1 − β₂) Δ², w ← w + η m / (√v + τ). Flower's form (the
 * default) scales η of the t-th update by √(1 − β₂^(t+1)) / (1 − β₁^(t+1)).
 */
export function adamMove({ eta, beta1, beta2, tau }: AdaptiveOptions, form: AdamForm = "flower"): Move<MomentState> {
  return momentMove("fedadam", (w, target, m, v, step) => {
    const rate = form === "paper" ? eta : (eta * Math.sqrt(1 - beta2 ** (step + 1))) / (1 - beta1 ** (step + 1));
    for (let i = 0; i < w.length; i++) {
      const delta = at(target, i) - at(w, i);
      m[i] = beta1 * at(m, i) + (1 - beta1) * delta;
      v[i] = beta2 * at(v, i) + (1 - beta2) * delta * delta;
      w[i] = at(w, i) + (rate * at(m, i)) / (Math.sqrt(at(v, i)) + tau);
    }
  });
}

/** FedYogi (Reddi et al. 2021): as FedAdam without bias correction, with v ← v − (1 − β₂) Δ² sign(v − Δ²). */
export function yogiMove({ eta, beta1, beta2, tau }: AdaptiveOptions): Move<MomentState> {
  return momentMove("fedyogi", (w, target, m, v) => {
    for (let i = 0; i < w.length; i++) {
      const delta = at(target, i) - at(w, i);
      m[i] = beta1 * at(m, i) + (1 - beta1) * delta;
      v[i] = at(v, i) - (1 - beta2) * delta * delta * Math.sign(at(v, i) - delta * delta);
      w[i] = at(w, i) + (eta * at(m, i)) / (Math.sqrt(at(v, i)) + tau);
    }
  });
}

/** Updates one tensor and its moments in place; they are copies. `step` counts updates from 1. */
type MomentRule = (w: Float32Array, target: Float32Array, m: Float32Array, v: Float32Array, step: number) => void;

function momentMove(name: string, rule: MomentRule): Move<MomentState> {
  return {
    init(parameters) {
      const odd = parameters.find(({ dtype }) => dtype !== "float32");
      if (odd)
        throw new FederationError("strategy/failed", `${name} moves float32 tensors, not ${describeTensor(odd)}`);
      const blank = () => parameters.map(({ shape, data }) => float32(shape, new Float32Array(data.length)));
      return { step: 0, m: blank(), v: blank() };
    },
    update(aggregate, state, current) {
      const step = state.step + 1;
      const [w, m, v] = [copy(current), copy(state.m), copy(state.v)];
      for (const [index, target] of aggregate.entries()) {
        rule(elements(w[index]), elements(target), elements(m[index]), elements(v[index]), step);
      }
      // An endless second moment would hold its coordinate still for ever after.
      for (const [index, moment] of [...m, ...v].entries()) {
        const element = firstNonFinite(moment);
        if (element < 0) continue;
        const where = `element ${element} of tensor ${index % w.length}`;
        throw new FederationError("strategy/failed", `the moments of ${name} would not be finite at ${where}`);
      }
      return [w, { step, m, v }];
    },
  };
}

function copy(parameters: Parameters): Tensor[] {
  return parameters.map(({ shape, data }) => float32(shape, data.slice() as Float32Array));
}

function elements(tensor: Tensor | undefined): Float32Array {
  if (tensor === undefined) throw new FederationError("strategy/failed", "the moments and the model differ in length");
  return tensor.data as Float32Array;
}

function at(values: Float32Array, index: number): number {
  return values[index] as number;
}
