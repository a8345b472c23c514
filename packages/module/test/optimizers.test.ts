// Ten steps of every optimizer against PyTorch's own (fixtures/make-training.py), and learning rate schedules.
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import {
  accumulate,
  adagrad,
  adam,
  adamW,
  clipByNorm,
  clipByValue,
  corrected,
  cosineAnnealing,
  crossEntropy,
  exponentialDecay,
  linear,
  linearWarmup,
  parameterGroups,
  perEpoch,
  proximal,
  rmsprop,
  sequential,
  sgd,
  stepDecay,
  tanh,
  trainingGraph,
} from "../src/index.js";
import type { Optimizer, Schedule } from "../src/index.js";
import { corrections, listed, optimizers, schedules, start } from "./references.js";
import { numbers, open } from "./train.js";

const rate = 0.1;
const firstLayer = (name: string): boolean => name.startsWith("0.");

/** The optimizer of a reference's name, of its options. */
const made: { readonly [name: string]: (options: never) => Optimizer } = {
  sgd,
  adam,
  adamW,
  rmsprop,
  adagrad,
  clipByNorm: ({ learningRate, max }: { learningRate: number; max: number }) => clipByNorm(max, sgd({ learningRate })),
  clipByValue: ({ learningRate, max }: { learningRate: number; max: number }) =>
    clipByValue(max, sgd({ learningRate })),
  accumulate: ({ learningRate, batches }: { learningRate: number; batches: number }) =>
    accumulate(batches, adam({ learningRate })),
  parameterGroups: ({ learningRate }: { learningRate: number }) =>
    parameterGroups(
      [{ parameters: firstLayer, optimizer: sgd({ learningRate: rate / 10, momentum: 0.9 }) }],
      sgd({ learningRate }),
    ),
  frozen: adam,
  proximal: ({ learningRate, mu }: { learningRate: number; mu: number }) => proximal(mu, sgd({ learningRate })),
  corrected: ({ learningRate }: { learningRate: number }) => corrected(sgd({ learningRate })),
};

const initial = start.initial.map(listed);
const module = sequential([linear(3, 4), tanh(), linear(4, 2)], { input: [3], seed: 1 }).withParameters(initial);
const features = listed(start.features);
const labels = start.targets.data;

describe("Ten steps agree with PyTorch's:", () => {
  for (const reference of optimizers) {
    it(`${reference.optimizer} ${reference.name}`, async () => {
      const optimizer = made[reference.optimizer]!(reference.options as never);
      const graph = trainingGraph(module, {
        loss: crossEntropy(),
        optimizer,
        batchSize: 5,
        ...(reference.optimizer === "frozen" ? { frozen: firstLayer } : {}),
      });
      const session = await open(graph.model);
      let state: Record<string, Tensor> = Object.fromEntries([
        ...module.parameterNames.map((name, i) => [name, initial[i]!] as const),
        ...graph.optimizerState.map((held) => [held.name, held.initial] as const),
      ]);
      const fixed = Object.fromEntries(
        graph.references.map(({ name, kind, parameter }) => {
          const at = module.parameterNames.indexOf(parameter);
          return [name, kind === "anchor" ? initial[at]! : listed(corrections[at]!)];
        }),
      );
      const losses: number[] = [];
      for (let step = 0; step < 10; step++) {
        const results = await session.run({
          ...state,
          ...fixed,
          input: float32([5, 3], (features.data as Float32Array).slice(15 * step, 15 * step + 15)),
          targets: tensor("int64", [5], BigInt64Array.from(labels.slice(5 * step, 5 * step + 5), BigInt)),
          learningRate: float32([], [optimizer.learningRate]),
        });
        losses.push(numbers(results["loss"]!)[0]!);
        state = Object.fromEntries(Object.keys(state).map((name) => [name, results[`new.${name}`]!]));
      }
      await session.release();
      losses.forEach((loss, i) => expect(loss, `loss of step ${i}`).closeTo(reference.losses[i]!, 2e-5));
      module.parameterNames.forEach((name, i) => {
        numbers(state[name]!).forEach((value, j) => {
          expect(value, `${name}, element ${j}`).closeTo(reference.parameters[i]!.data[j]!, 2e-5);
        });
      });
    });
  }

  it("and none of them is the plain one in disguise", () => {
    const ends = new Set(optimizers.map(({ parameters }) => JSON.stringify(parameters)));
    expect(ends.size).equal(optimizers.length);
  });
});

describe("A proximal term of weight 0", () => {
  it("is the optimizer alone, bit for bit", () => {
    const step = (optimizer: Optimizer): Uint8Array =>
      trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize: 5 }).model;
    expect(step(proximal(0, adam({ learningRate: 0.1 })))).deep.equal(step(adam({ learningRate: 0.1 })));
    expect(() => proximal(-0.1, sgd({ learningRate: 0.1 }))).throws(/not -0.1/);
  });
});

describe("A learning rate schedule", () => {
  const ours: { readonly [name: string]: Schedule } = {
    stepDecay: stepDecay(0.5, { stepSize: 3, gamma: 0.5 }),
    exponentialDecay: exponentialDecay(0.5, { gamma: 0.9 }),
    cosineAnnealing: cosineAnnealing(0.5, { steps: 8, minimum: 0.1 }),
    linearWarmup: linearWarmup(4, () => 0.5),
  };
  for (const { name, rates } of schedules) {
    it(`goes as PyTorch's does: ${name}`, () => {
      rates.forEach((expected, step) => expect(ours[name]!(step)).closeTo(expected, 1e-12));
    });
  }

  it("can count epochs, and stays at its end", () => {
    const slow = perEpoch(10, cosineAnnealing(1, { steps: 2 }));
    expect([0, 9, 10, 20, 500].map((step) => Math.round(slow(step) * 1e6) / 1e6)).deep.equal([1, 1, 0.5, 0, 0]);
  });
});
