// npm run soak: the memory of a process over 10,000 train steps, in one call and in many. It fails where memory grows.
import { adam, crossEntropy } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Trained } from "@perennial-fl/trainer";
import { machine } from "./src/machine.js";
import { trainingData, trainModels } from "./src/train-models.js";

/** What the second half of the readings may lie above the first. An 800 kB tensor lost in every thousandth step would be 8. */
const growthMaxMegabytes = 8;
const steps = 10_000;
const batchSize = 32;
const stepsPerEpoch = 20;
const epochs = steps / stepsPerEpoch;

const model = trainModels.mlp;
const module = model.build();
const dataset = trainingData(model.input, batchSize * stepsPerEpoch);
const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: adam({ learningRate: 0.001 }) });

let readings: number[] = [];
function read(): void {
  readings.push(process.memoryUsage.rss() / 1e6);
}

async function train(count: number, before: Trained | undefined, onEpoch: () => void): Promise<Trained> {
  const parameters = before?.parameters ?? module.parameters;
  const state = before === undefined ? {} : { state: before.state };
  return trainer.train(parameters, { dataset, batchSize, epochs: count, seed: ["soak"], onEpoch, ...state });
}

/** Between the largest readings of both halves, the first tenth aside: it is for warming up. */
function growth(): number {
  const counted = readings.slice(Math.floor(readings.length / 10));
  const half = Math.floor(counted.length / 2);
  return Math.max(...counted.slice(half)) - Math.max(...counted.slice(0, half));
}

function report(what: string): boolean {
  const grown = growth();
  const verdict = grown <= growthMaxMegabytes ? "flat" : "GROWS";
  const highest = Math.max(...readings);
  console.log(
    `${steps} steps of ${model.title}, adam, batch ${batchSize}, in ${what}: ${verdict}, the second half ` +
      `${grown.toFixed(1)} MB above the first (at most ${growthMaxMegabytes}), ${highest.toFixed(0)} MB at most`,
  );
  readings = [];
  return grown <= growthMaxMegabytes;
}

console.log(machine());
const last = await train(epochs, undefined, read);
const inOneCall = report("one call");
let held = last;
for (let call = 0; call < epochs; call++) held = await train(1, held, read);
const inManyCalls = report(`${epochs} calls`);
await trainer.close();
if (!inOneCall || !inManyCalls) process.exitCode = 1;
