// The time of one training step, shuffling and batching included, on one thread: onnxruntime-node against PyTorch.
import { elementCount, float32, random, tensor } from "@perennial-fl/core";
import { conv2d, crossEntropy, flatten, linear, maxPool2d, relu, sequential, sgd } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset } from "@perennial-fl/trainer";
import type { Benchmark, Contender, Effort } from "./harness.js";
import { startProcess } from "./process.js";
import { peerScript, pythonWith } from "./python.js";

type ModelName = "mlp" | "lenet";

interface Subject {
  readonly model: ModelName;
  readonly batchSize: number;
  /** In one repetition: about a second's worth. */
  readonly steps: { readonly [E in Effort]: number };
}

const inputShapes: Record<ModelName, readonly number[]> = { mlp: [784], lenet: [1, 28, 28] };

const titles: Record<ModelName, string> = { mlp: "MLP 784-256-10", lenet: "LeNet" };

/** Also in peers/torch_step.py. */
function moduleOf(model: ModelName): OnnxModule {
  const layers =
    model === "mlp"
      ? [linear(784, 256), relu(), linear(256, 10)]
      : [
          conv2d(1, 16, 5, { padding: 2 }),
          relu(),
          maxPool2d(2),
          conv2d(16, 32, 5, { padding: 2 }),
          relu(),
          maxPool2d(2),
          flatten(),
          linear(1568, 128),
          relu(),
          linear(128, 10),
        ];
  return sequential(layers, { input: inputShapes[model], seed: 7 });
}

const subjects: readonly Subject[] = [
  { model: "mlp", batchSize: 32, steps: { full: 2000, quick: 200 } },
  { model: "mlp", batchSize: 128, steps: { full: 800, quick: 100 } },
  { model: "lenet", batchSize: 32, steps: { full: 100, quick: 10 } },
  { model: "lenet", batchSize: 128, steps: { full: 25, quick: 4 } },
];

export const trainStepBenchmarks: readonly Benchmark[] = subjects.map((subject) => ({
  name: `train step ${titles[subject.model]} batch ${subject.batchSize}`,
  measures: [{ name: "", unit: "ms" }],
  warmUps: 1,
  repetitions: { full: 7, quick: 3 },
  open: (effort) => openOurs(subject, effort),
  peer: { name: "PyTorch", open: (effort) => openTorch(subject, effort) },
}));

async function openOurs({ model, batchSize, steps }: Subject, effort: Effort): Promise<Contender> {
  const module = moduleOf(model);
  const dataset = madeUpData(inputShapes[model], batchSize * steps[effort]);
  const trainer = await openTrainer({
    module,
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.01 }),
    threads: 1,
  });
  let { parameters } = module;
  return {
    async measure() {
      const begun = performance.now();
      const trained = await trainer.train(parameters, { dataset, batchSize, epochs: 1, seed: ["bench"] });
      const took = performance.now() - begun;
      ({ parameters } = trained);
      return [took / trained.steps];
    },
    close: () => trainer.close(),
  };
}

function madeUpData(shape: readonly number[], count: number): Dataset {
  const { float, below } = random("bench", "data", count);
  const inputs = Float32Array.from({ length: count * elementCount(shape) }, float);
  const targets = BigInt64Array.from({ length: count }, () => BigInt(below(10)));
  return { inputs: float32([count, ...shape], inputs), targets: tensor("int64", [count], targets) };
}

async function openTorch({ model, batchSize, steps }: Subject, effort: Effort): Promise<Contender> {
  const { command } = await pythonWith("torch");
  const process = startProcess(command, [peerScript("torch_step.py"), model, String(batchSize), String(steps[effort])]);
  const { parameters } = await process.said<{ parameters: number }>();
  const own = moduleOf(model).parameters.reduce((sum, { data }) => sum + data.length, 0);
  if (parameters !== own) throw new Error(`PyTorch's ${model} has ${parameters} parameters, and ours ${own}`);
  return {
    async measure() {
      process.tell("again");
      return [(await process.said<{ msPerStep: number }>()).msPerStep];
    },
    close: () => process.end(),
  };
}
