// A program whose worker opens a trainer though its main thread never loaded one; it prints what the worker is told.
import { isMainThread, Worker } from "node:worker_threads";

if (isMainThread) {
  new Worker(new URL(import.meta.url));
} else {
  const { crossEntropy, linear, sequential, sgd } = await import("@perennial-fl/module");
  const { openTrainer } = await import("../../src/index.js");
  const module = sequential([linear(2, 3)], { input: [2], seed: 1 });
  const opening = openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) });
  console.log(await opening.catch((error: unknown) => String(error)));
}
