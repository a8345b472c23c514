// Training in onnxruntime-web, held against the native runtime. `npm run test:web` runs it where the package is installed.
import { float32, isFederationError, random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import {
  batchNorm2d,
  conv2d,
  crossEntropy,
  dropout,
  flatten,
  linear,
  maxPool2d,
  relu,
  sequential,
  sgd,
} from "@perennial-fl/module";
import type { Layer, OnnxModule } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Dataset, Evaluated, Trained, TrainerOptions } from "../src/index.js";

// A name that the compiler does not follow.
const web: string = "onnxruntime-web";
const installed = await import(web).then(
  () => true,
  () => false,
);
if (!installed) console.log("skipped: onnxruntime-web is not installed (npm install --no-save onnxruntime-web)");

function dataset(shape: readonly number[], count: number): Dataset {
  const draw = random("web", count);
  const size = shape.reduce((product, length) => product * length, count);
  return {
    inputs: float32(
      [count, ...shape],
      Array.from({ length: size }, () => draw.normal()),
    ),
    targets: tensor(
      "int32",
      [count],
      Int32Array.from({ length: count }, () => draw.below(10)),
    ),
  };
}

interface Outcome {
  readonly trained: Trained;
  readonly evaluated: Evaluated;
}

async function outcome(
  module: OnnxModule,
  data: Dataset,
  runtime: NonNullable<TrainerOptions["runtime"]>,
): Promise<Outcome> {
  // Not Adam: the bias before a batch normalisation has no gradient but rounding, which Adam scales up to steps.
  const optimizer = sgd({ learningRate: 0.05, momentum: 0.9 });
  const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer, runtime });
  try {
    // Full batches and a partial one.
    const trained = await trainer.train(module.parameters, { dataset: data, batchSize: 16, epochs: 3, seed: ["web"] });
    return { trained, evaluated: await trainer.evaluate(trained.parameters, { dataset: data }) };
  } finally {
    await trainer.close();
  }
}

function numbersOf({ parameters, state }: Trained): number[] {
  const tensors = [...parameters, ...Object.values(state as Record<string, Tensor>)];
  return tensors.flatMap(({ data }) => Array.from<number | bigint, number>(data, Number));
}

const images: readonly Layer[] = [conv2d(1, 4, 3), batchNorm2d(4), relu(), maxPool2d(2), flatten(), linear(36, 10)];
const models: readonly (readonly [name: string, layers: readonly Layer[], input: readonly number[]])[] = [
  ["a perceptron", [linear(784, 64), relu(), dropout(0.25), linear(64, 10)], [784]],
  ["a convolutional network", images, [1, 8, 8]],
];

(installed ? describe : describe.skip)("In onnxruntime-web", function () {
  // Each worker compiles 13 MB of WebAssembly anew.
  this.timeout(120_000);
  for (const [name, layers, input] of models) {
    it(`${name} is trained to the native runtime's numbers but for rounding, and to its own bytes again`, async () => {
      const module = sequential(layers, { input, seed: 3 });
      const data = dataset(input, 40);
      const [native, web] = [await outcome(module, data, "native"), await outcome(module, data, "web")];
      const [wanted, found] = [numbersOf(native.trained), numbersOf(web.trained)];
      const size = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
      expect(size(found.map((x, i) => x - wanted[i]!)) / size(wanted)).below(1e-5);
      expect(web.trained.loss).closeTo(native.trained.loss, 1e-5);
      expect(web.evaluated.loss).closeTo(native.evaluated.loss, 1e-5);
      expect(web.evaluated.accuracy).equal(native.evaluated.accuracy);
      expect(numbersOf((await outcome(module, data, "web")).trained)).deep.equal(found);
    });
  }

  it("training is stopped by its signal", async () => {
    const module = sequential([linear(784, 10)], { input: [784], seed: 1 });
    const optimizer = sgd({ learningRate: 0.001 });
    const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer, runtime: "web" });
    const stop = new AbortController();
    const onEpoch = (): void => {
      stop.abort();
    };
    const options = { dataset: dataset([784], 40), batchSize: 4, epochs: 1_000_000, seed: ["web"] };
    const error: unknown = await trainer
      .train(module.parameters, { ...options, signal: stop.signal, onEpoch })
      .catch((e: unknown) => e);
    expect(isFederationError(error, "trainer/aborted")).equal(true);
    await trainer.close();
  });
});
