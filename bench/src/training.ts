// The time and the memory of a train step, shuffling and batching included, on one thread: ours against PyTorch's.
import { fileURLToPath } from "node:url";
import type { Benchmark, Contender, Effort } from "./harness.js";
import { startProcess } from "./process.js";
import { peerScript, pythonWith } from "./python.js";
import { trainModels } from "./train-models.js";
import type { TrainModelName } from "./train-models.js";

interface Subject {
  readonly model: TrainModelName;
  readonly optimizer: "sgd" | "adam";
  readonly batchSize: number;
  /** In one repetition: about a second's worth. */
  readonly steps: { readonly [E in Effort]: number };
}

const subjects: readonly Subject[] = [
  { model: "mlp", optimizer: "sgd", batchSize: 32, steps: { full: 1000, quick: 200 } },
  { model: "mlp", optimizer: "sgd", batchSize: 128, steps: { full: 400, quick: 100 } },
  { model: "mlp", optimizer: "adam", batchSize: 32, steps: { full: 500, quick: 100 } },
  { model: "lenet", optimizer: "sgd", batchSize: 32, steps: { full: 80, quick: 20 } },
  { model: "lenet", optimizer: "sgd", batchSize: 128, steps: { full: 20, quick: 5 } },
  { model: "transformer", optimizer: "sgd", batchSize: 32, steps: { full: 15, quick: 5 } },
  { model: "transformer", optimizer: "sgd", batchSize: 128, steps: { full: 4, quick: 2 } },
  { model: "resnet18", optimizer: "sgd", batchSize: 8, steps: { full: 8, quick: 2 } },
];

/** With `lowering` "none", our side runs the plain step. */
export function trainingBenchmarks(lowering: "auto" | "none"): readonly Benchmark[] {
  return subjects.map(({ model, optimizer, batchSize, steps }) => ({
    name: `train ${trainModels[model].title}, ${optimizer}, batch ${batchSize}`,
    measures: [
      { name: "", unit: "ms/step" },
      { name: "memory of the step", unit: "MB" },
    ],
    warmUps: 1,
    repetitions: { full: 7, quick: 3 },
    open: (effort) => {
      const script = fileURLToPath(new URL("./train-ours.js", import.meta.url));
      return open(process.execPath, [script, model, optimizer, String(batchSize), String(steps[effort]), lowering]);
    },
    peer: {
      name: "PyTorch",
      async open(effort) {
        const { command } = await pythonWith("torch");
        const script = peerScript("torch_train.py");
        return open(command, [script, model, optimizer, String(batchSize), String(steps[effort])]);
      },
    },
  }));
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
