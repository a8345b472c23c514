// A program that trains and prints the digest of what came out. It leaves its trainer open, and must end all the same.
import { createHash } from "node:crypto";
import { bytesOf } from "@perennial-fl/core";
import { adam, crossEntropy, linear, relu, sequential } from "@perennial-fl/module";
import { openTrainer } from "../../src/index.js";
import { points } from "../points.js";

const module = sequential([linear(2, 16), relu(), linear(16, 3)], { input: [2], seed: 1 });
const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }) });
const options = { dataset: points(100, 1), batchSize: 16, epochs: 2, seed: ["process"] };
const { parameters } = await trainer.train(module.parameters, options);
const hash = createHash("sha256");
for (const tensor of parameters) hash.update(bytesOf(tensor));
console.log(hash.digest("hex"));
