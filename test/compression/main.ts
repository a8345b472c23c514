// `npm run compression`: what updates as float16 and int8 differences cost in accuracy on MNIST, and save on the wire; the
// table goes to docs/compression.md.
import { readFileSync, writeFileSync } from "node:fs";
import { bytesOf, decodeDelta, encodeDelta, memoryResult } from "@perennial-fl/core";
import type { DeltaPrecision, Parameters, Residuals } from "@perennial-fl/core";
import { crossEntropy, sgd } from "@perennial-fl/module";
import { fedAvg } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import { evenParts, readMnist, rowsOf, twoLayerNet } from "../science/digits.js";
import { trainRounds } from "../science/virtual-federation.js";
import type { VirtualClient } from "../science/virtual-federation.js";

const [seed, clientCount, examples, tested, rounds, learningRate] = [1, 10, 600, 10_000, 30, 0.05];
const shown = [1, 5, 10, 30];

const module = twoLayerNet(seed);
const digits = await readMnist("train");
const [order = new Uint32Array()] = evenParts(digits.labels.length, 1, seed);
const parts = Array.from({ length: clientCount }, (_, k) =>
  rowsOf(digits, order.subarray(k * examples, (k + 1) * examples)),
);
const test = rowsOf(digits, order.subarray(clientCount * examples, clientCount * examples + tested));
const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate }) });

const bytesIn = (tensors: Parameters): number => tensors.reduce((sum, held) => sum + bytesOf(held).byteLength, 0);

interface Way {
  readonly title: string;
  readonly precision?: DeltaPrecision;
  readonly feedback?: boolean;
}

const ways: readonly Way[] = [
  { title: "float32, whole" },
  { title: "float16", precision: "float16", feedback: true },
  { title: "float16, no feedback", precision: "float16" },
  { title: "int8", precision: "int8", feedback: true },
  { title: "int8, no feedback", precision: "int8" },
];

/** Accuracy after the rounds to be shown, the distance from the model of whole updates, and the bytes of one update. */
async function run({ precision, feedback = false }: Way) {
  const residuals = new Map<string, Residuals>();
  let bytes = bytesIn(module.parameters);
  const clients = parts.map((train, k): VirtualClient => {
    const id = `client-${k}`;
    const tamper = (trained: Parameters, received: Parameters): Parameters => {
      if (precision === undefined) return trained;
      const encoded = encodeDelta(trained, received, residuals.get(id) ?? [], precision);
      if (feedback) residuals.set(id, encoded.residuals);
      bytes = bytesIn(encoded.tensors);
      const result = decodeDelta(memoryResult(encoded.tensors), received, precision);
      if ("objection" in result) throw new Error(result.objection);
      return result.tensors.map((_, index) => result.read(index));
    };
    return { id, train, tamper };
  });
  const strategy = fedAvg({ minAvailableClients: clientCount });
  const shape = { perRound: clientCount, rounds, batchSize: 32, learningRate, seed, epochs: () => 1 };
  const accuracies: number[] = [];
  let model: Parameters = module.parameters;
  let round = 0;
  for await (const next of trainRounds(model, { ...shape, trainer, strategy, clients })) {
    model = next;
    if (!shown.includes(++round)) continue;
    accuracies.push((await trainer.evaluate(model, { dataset: test, batchSize: 500 })).accuracy ?? NaN);
  }
  return { accuracies, bytes, model };
}

/** The relative L2 distance of two models. */
function distance(a: Parameters, b: Parameters): number {
  let [apart, size] = [0, 0];
  for (const [index, { data }] of a.entries()) {
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [Number(data[i]), Number(b[index]?.data[i])];
      apart += (x - y) ** 2;
      size += y ** 2;
    }
  }
  return Math.sqrt(apart / size);
}

const rows = [
  `| updates | bytes | ${shown.map((round) => `round ${round}`).join(" | ")} | from the whole model |`,
  `| --- |${" ---: |".repeat(shown.length + 2)}`,
];
let whole: Parameters | undefined;
for (const way of ways) {
  const { accuracies, bytes, model } = await run(way);
  whole ??= model;
  const cells = accuracies.map((accuracy) => accuracy.toFixed(4)).join(" | ");
  rows.push(`| ${way.title} | ${bytes} | ${cells} | ${distance(model, whole).toExponential(1)} |`);
  console.log(rows.at(-1));
}
await trainer.close();

const page = new URL("../../../docs/compression.md", import.meta.url);
const [begin, end] = ["<!-- table: begin -->\n", "<!-- table: end -->"];
const [before, rest = ""] = readFileSync(page, "utf8").split(begin);
const [, after] = rest.split(end);
writeFileSync(page, [before, begin, "\n", rows.join("\n"), "\n\n", end, after].join(""));
