// What is trained: each network that PyTorch exported, with its data, divided among the clients, and how it learns.
import { readFile } from "node:fs/promises";
import { datasetOf as digitsDataset, readMnist } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import { partitionByLabel } from "@perennial-fl/example-quickstart/dist/src/partition.js";
import { adam, crossEntropy, OnnxModule } from "@perennial-fl/module";
import type { Loss, Optimizer } from "@perennial-fl/module";
import type { Dataset } from "@perennial-fl/trainer";
import { datasetOf as namesDataset, readNames } from "./names.js";

export interface Task {
  readonly name: string;
  /** What the accuracy is of. */
  readonly subject: string;
  readonly module: OnnxModule;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly rounds: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** One for each client. */
  readonly shares: readonly Dataset[];
  /** Seen by no client. */
  readonly test: Dataset;
}

const clients = 3;

/** The residual network, on 3,000 images of digits of which every client has some more than others. */
export async function digits(): Promise<Task> {
  const [train, test] = [await readMnist("train"), await readMnist("test")];
  const labels = train.labels.subarray(0, 3000);
  const shares = partitionByLabel(labels, { parts: clients, alpha: 1, seed: 7 });
  return {
    name: "resnet",
    subject: "test images",
    module: await exported("resnet"),
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.003 }),
    rounds: 4,
    epochs: 1,
    batchSize: 32,
    shares: shares.map((share) => digitsDataset(train, share)),
    test: digitsDataset(
      test,
      Uint32Array.from({ length: 2000 }, (_, i) => i),
    ),
  };
}

/** The transformer, on names in eight languages of which a sixth is kept for the test. */
export async function languageOfNames(): Promise<Task> {
  const names = readNames();
  const split = Math.floor(names.length / 6);
  const labels = Uint8Array.from(names.slice(split), ({ language }) => language);
  const shares = partitionByLabel(labels, { parts: clients, alpha: 1, seed: 7 });
  return {
    name: "transformer",
    subject: "test names",
    module: await exported("transformer"),
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.003 }),
    rounds: 6,
    epochs: 3,
    batchSize: 32,
    shares: shares.map((share) => namesDataset(Array.from(share, (at) => names[split + at] as (typeof names)[number]))),
    test: namesDataset(names.slice(0, split)),
  };
}

/** What `export.py` wrote. */
async function exported(name: string): Promise<OnnxModule> {
  return OnnxModule.fromBytes(await readFile(new URL(`../../models/${name}.onnx`, import.meta.url)));
}
