// Trains one model with TensorFlow.js in plain JavaScript (its "cpu" backend); the data and the model are made up here.
// Usage: tfjs_train.mjs DIRECTORY MODEL OPTIMIZER BATCH STEPS, where DIRECTORY has node_modules with @tensorflow/tfjs;
// speaks as torch_train.py does.
import { createRequire } from "node:module";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

const [directory, name, optimizer, batch, steps] = process.argv.slice(2);
const tf = createRequire(join(directory, "package.json"))("@tensorflow/tfjs");
await tf.setBackend("cpu");

const { dense, conv2d, maxPooling2d, flatten, lstm } = tf.layers;
const convolution = (filters, options) =>
  conv2d({ filters, kernelSize: 5, padding: "same", activation: "relu", ...options });
const models = {
  mlp: [[784], [dense({ units: 256, activation: "relu", inputShape: [784] })]],
  lenet: [
    [28, 28, 1],
    [
      convolution(16, { inputShape: [28, 28, 1] }),
      maxPooling2d({ poolSize: 2 }),
      convolution(32),
      maxPooling2d({ poolSize: 2 }),
      flatten(),
      dense({ units: 128, activation: "relu" }),
    ],
  ],
  lstm: [[28, 28], [lstm({ units: 128, inputShape: [28, 28] })]],
};
const [shape, layers] = models[name];
const model = tf.sequential({ layers: [...layers, dense({ units: 10 })] });
model.compile({
  optimizer: optimizer === "adam" ? tf.train.adam(0.001) : tf.train.sgd(0.01),
  loss: (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits),
});
const count = Number(batch) * Number(steps);
const inputs = tf.randomUniform([count, ...shape]);
const targets = tf.oneHot(tf.randomUniform([count], 0, 10, "int32"), 10);
console.log(JSON.stringify({ parameters: model.countParams() }));

for await (const line of createInterface(process.stdin)) {
  if (line === "") continue;
  const begun = performance.now();
  let total = 0;
  const order = [...tf.util.createShuffledIndices(count)];
  for (let step = 0; step < Number(steps); step++) {
    const chosen = tf.tensor1d(order.slice(step * Number(batch), (step + 1) * Number(batch)), "int32");
    const [x, y] = [tf.gather(inputs, chosen), tf.gather(targets, chosen)];
    total += await model.trainOnBatch(x, y);
    tf.dispose([chosen, x, y]);
  }
  console.log(JSON.stringify({ msPerStep: (performance.now() - begun) / Number(steps), loss: total / Number(steps) }));
}
