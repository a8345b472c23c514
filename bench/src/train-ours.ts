// Our side of the training benchmark, in a process of its own so that its memory can be read.
// Usage: train-ours.js MODEL OPTIMIZER BATCH STEPS [LOWERING]; speaks as peers/torch_train.py does.
import { adam, crossEntropy, sgd } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import { say } from "./say.js";
import { trainingData, trainModels } from "./train-models.js";
import type { TrainModelName } from "./train-models.js";

const [name, optimizer, batch, steps, lowering] = process.argv.slice(2);
const model = trainModels[name as TrainModelName];
const batchSize = Number(batch);
const module = model.build();
const dataset = trainingData(model.input, batchSize * Number(steps));
const trainer = await openTrainer({
  module,
  loss: crossEntropy(),
  optimizer: optimizer === "adam" ? adam({ learningRate: 0.001 }) : sgd({ learningRate: 0.01 }),
  threads: 1,
  lowering: lowering === "none" ? "none" : "auto",
});
let { parameters } = module;
const trained = parameters.filter((_, i) => !/\.(mean|variance)$/.test(module.parameterNames[i] ?? ""));
say({ parameters: trained.reduce((sum, { data }) => sum + data.length, 0) });
process.stdin.on("data", (lines: Buffer) => {
  // One line is one request, and the other side waits for the answer.
  if (lines.includes("\n")) void measure();
});

async function measure(): Promise<void> {
  const begun = performance.now();
  const done = await trainer.train(parameters, { dataset, batchSize, epochs: 1, seed: ["bench"] });
  const took = performance.now() - begun;
  ({ parameters } = done);
  say({ msPerStep: took / done.steps, loss: done.loss });
}
