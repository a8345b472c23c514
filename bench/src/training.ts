// The time and the memory of a train step, shuffling and batching included, on one thread: ours against PyTorch's and TensorFlow.js's.
import { fileURLToPath } from "node:url";
import type { Benchmark, Contender, Effort, Measure } from "./harness.js";
import { startProcess } from "./process.js";
import { peerScript, pythonWith } from "./python.js";
import { tensorflowjsDirectory } from "./tensorflowjs.js";
import { trainModels } from "./train-models.js";
import type { TrainModelName } from "./train-models.js";

interface Subject {
  readonly model: TrainModelName;
  readonly optimizer: "sgd" | "adam";
  readonly batchSize: number;
  /** Of our side in one repetition: about a second's worth. */
  readonly steps: { readonly [E in Effort]: number };
  /** The ratio to reach at most. */
  readonly goal?: number;
}

/** In PyTorch a step takes about as long as ours. */
const besidePyTorch: readonly Subject[] = [
  { model: "mlp", optimizer: "sgd", batchSize: 32, steps: { full: 1000, quick: 200 }, goal: 1 },
  { model: "mlp", optimizer: "sgd", batchSize: 128, steps: { full: 400, quick: 100 }, goal: 1 },
  { model: "mlp", optimizer: "adam", batchSize: 32, steps: { full: 500, quick: 100 }, goal: 1 },
  { model: "mlp", optimizer: "adam", batchSize: 128, steps: { full: 300, quick: 60 }, goal: 1 },
  { model: "lenet", optimizer: "sgd", batchSize: 32, steps: { full: 80, quick: 20 }, goal: 0.9 },
  { model: "lenet", optimizer: "sgd", batchSize: 128, steps: { full: 20, quick: 5 }, goal: 0.9 },
  { model: "transformer", optimizer: "sgd", batchSize: 32, steps: { full: 15, quick: 5 }, goal: 1 },
  { model: "transformer", optimizer: "sgd", batchSize: 128, steps: { full: 4, quick: 2 }, goal: 1 },
  { model: "resnet18", optimizer: "sgd", batchSize: 8, steps: { full: 16, quick: 2 }, goal: 1.15 },
  { model: "lstm", optimizer: "sgd", batchSize: 32, steps: { full: 60, quick: 10 } },
  { model: "lstm", optimizer: "sgd", batchSize: 128, steps: { full: 20, quick: 5 } },
];

/** Plain JavaScript takes up to a thousand times as long: it gets steps of its own. */
const besideTensorflowjs: readonly (Subject & { readonly peerSteps: number })[] = [
  { model: "mlp", optimizer: "sgd", batchSize: 32, steps: { full: 500, quick: 200 }, peerSteps: 5, goal: 0.05 },
  { model: "mlp", optimizer: "adam", batchSize: 128, steps: { full: 150, quick: 60 }, peerSteps: 2, goal: 0.05 },
  { model: "lstm", optimizer: "sgd", batchSize: 32, steps: { full: 30, quick: 10 }, peerSteps: 1, goal: 0.05 },
  { model: "lenet", optimizer: "sgd", batchSize: 32, steps: { full: 40, quick: 20 }, peerSteps: 1, goal: 0.05 },
];

/** With `lowering` "none", our side runs the plain step. */
export function trainingBenchmarks(lowering: "auto" | "none"): readonly Benchmark[] {
  return [
    ...besidePyTorch.map((subject) => ({
      ...ours(subject, lowering),
      repetitions: { full: 7, quick: 3 },
      peer: {
        name: "PyTorch",
        async open(effort: Effort) {
          const { command } = await pythonWith("torch");
          return open(command, [peerScript("torch_train.py"), ...described(subject, subject.steps[effort])]);
        },
      },
    })),
    ...besideTensorflowjs.map((subject) => ({
      ...ours(subject, lowering),
      name: `${titleOf(subject)}, beside TensorFlow.js`,
      measures: [stepTime(subject)],
      repetitions: { full: 3, quick: 1 },
      peer: {
        name: "TensorFlow.js",
        open: () => {
          const script = peerScript("tfjs_train.mjs");
          return open(process.execPath, [script, tensorflowjsDirectory(), ...described(subject, subject.peerSteps)]);
        },
      },
    })),
  ];
}

function ours(subject: Subject, lowering: "auto" | "none"): Omit<Benchmark, "repetitions" | "peer"> {
  const script = fileURLToPath(new URL("./train-ours.js", import.meta.url));
  return {
    name: titleOf(subject),
    measures: [stepTime(subject), { name: "memory of the step", unit: "MB" }],
    warmUps: 1,
    open: (effort) => open(process.execPath, [script, ...described(subject, subject.steps[effort]), lowering]),
  };
}

function stepTime({ goal }: Subject): Measure {
  return { name: "", unit: "ms/step", ...(goal === undefined ? {} : { goal: { ratio: goal } }) };
}

function titleOf({ model, optimizer, batchSize }: Subject): string {
  return `train ${trainModels[model].title}, ${optimizer}, batch ${batchSize}`;
}

/** As all three programs want it. */
function described({ model, optimizer, batchSize }: Subject, steps: number): string[] {
  return [model, optimizer, String(batchSize), String(steps)];
}

/** A process that trains when told. Its memory is what it holds at most above what it held with model, data and runtime loaded. */
async function open(command: string, args: readonly string[]): Promise<Contender> {
  const trainer = startProcess(command, args);
  await trainer.said<{ parameters: number }>();
  const idle = await trainer.peakBytes();
  return {
    async measure() {
      trainer.tell("again");
      const { msPerStep } = await trainer.said<{ msPerStep: number }>();
      return [msPerStep, ((await trainer.peakBytes()) - idle) / 1e6];
    },
    close: () => trainer.end(),
  };
}
