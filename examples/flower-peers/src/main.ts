// The example: two stock Flower clients in Python and two clients in Node train one network on MNIST.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moduleClient, startClient } from "@perennial-fl/client";
import { datasetOf, readMnist } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import { crossEntropy, flatten, linear, relu, sequential, sgd } from "@perennial-fl/module";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import { pythonWithFlower, runFlowerClient } from "./flower-client.js";
import { indicesOf, partOf } from "./parts.js";

const seed = 7;
/** As flower_client.py's: 784-32-10. */
const module = sequential([flatten(), linear(784, 32), relu(), linear(32, 10)], { input: [1, 28, 28], seed });
const training = { module, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }) };

async function trainTogether(python: string, stateDir: string): Promise<void> {
  const [train, test] = [await readMnist("train"), await readMnist("test")];
  const dataset = datasetOf(test, indicesOf(partOf(0)));
  const judge = await openTrainer(training);
  let joined: Promise<unknown> = Promise.resolve();

  const runNodeClient = async (part: number, serverAddress: string): Promise<void> => {
    const indices = indicesOf(partOf(part));
    const held = Math.floor(indices.length / 12);
    const client = await moduleClient({
      ...training,
      train: datasetOf(train, indices.subarray(held)),
      test: datasetOf(train, indices.subarray(0, held)),
      batchSize: 32,
      seed,
    });
    await startClient({ client, serverAddress, clientId: `node-${part}` });
  };

  try {
    await startServer({
      address: "127.0.0.1:0",
      numRounds: 5,
      strategy: fedAvg({ minAvailableClients: 4 }),
      initialModel: module,
      stateDir,
      seed,
      evaluate: async (parameters) => {
        const { loss, accuracy = NaN } = await judge.evaluate(parameters, { dataset });
        return { loss, metrics: { accuracy } };
      },
      observe: (event) => {
        if (event.type === "client-joined") {
          console.log(`${event.identified ? "Node client  " : "Flower client"} ${event.client} joined`);
        } else if (event.type === "model-measured") {
          const percent = (100 * (event.metrics["accuracy"] ?? NaN)).toFixed(1);
          console.log(`round ${event.round}: ${percent} % of 2000 test images told right`);
        } else if (event.type === "client-failed") {
          console.log(`${event.client} failed: ${event.message}`);
        }
      },
      onListening: (address) => {
        joined = Promise.all([
          runFlowerClient(python, address, partOf(0)),
          runFlowerClient(python, address, partOf(1)),
          runNodeClient(2, address),
          runNodeClient(3, address),
        ]);
      },
    });
    await joined;
  } finally {
    await judge.close();
  }
}

const python = pythonWithFlower();
if (python === undefined) {
  console.error("this example needs a Python with flwr and numpy: name one in PERENNIAL_PYTHON");
  process.exitCode = 1;
} else {
  const stateDir = await mkdtemp(join(tmpdir(), "perennial-flower-peers-"));
  try {
    await trainTogether(python, stateDir);
  } finally {
    await rm(stateDir, { recursive: true });
  }
}
