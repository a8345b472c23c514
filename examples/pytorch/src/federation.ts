// A federation in one process: a server and its clients, over gRPC on this machine.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { moduleClient, startClient } from "@perennial-fl/client";
import type { OnnxModule } from "@perennial-fl/module";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { openTrainer } from "@perennial-fl/trainer";
import type { Evaluated } from "@perennial-fl/trainer";
import type { Task } from "./tasks.js";

const seed = 7;

/** Trains the task's module; every round's model is told, and the last one is kept as `<name>.onnx` in the folder. */
export async function federate(
  task: Task,
  folder: string,
  tell: (round: number, judged: Evaluated) => void,
): Promise<OnnxModule> {
  const { name, module, loss, optimizer, rounds, shares, test } = task;
  const stateDir = join(folder, `${name}-server`);
  await mkdir(stateDir, { recursive: true });
  const judge = await openTrainer({ module, loss, optimizer });
  const latest = new LatestTorchModuleCheckpointer(folder, `${name}.onnx`);
  let clients: Promise<unknown> = Promise.resolve();
  try {
    await startServer({
      address: "127.0.0.1:0",
      numRounds: rounds,
      strategy: fedAvg({ minAvailableClients: shares.length }),
      initialModel: module,
      stateDir,
      seed,
      checkpointers: [latest],
      evaluate: async (parameters, round) => {
        const judged = await judge.evaluate(parameters, { dataset: test });
        tell(round, judged);
        return { loss: judged.loss, metrics: { accuracy: judged.accuracy ?? NaN } };
      },
      onListening: (address) => {
        clients = Promise.all(shares.map((_, part) => takePart(task, part, address)));
      },
    });
    await clients;
  } finally {
    await judge.close();
  }
  return latest.loadCheckpoint();
}

/** The life of one client. */
async function takePart(task: Task, part: number, serverAddress: string): Promise<void> {
  const { module, loss, optimizer, epochs, batchSize, shares, test } = task;
  const train = shares[part] as Task["test"];
  const client = await moduleClient({ module, loss, optimizer, train, test, epochs, batchSize, seed });
  await startClient({ client, serverAddress, clientId: `client-${part + 1}` });
}
