// A federated client as a process of its own, with failpoints.
import { startClient } from "@perennial-fl/client";
import { FederationError, messageOf } from "@perennial-fl/core";
import { connect } from "@perennial-fl/transport";
import { obeyParent, say } from "../kill/programs.js";
import { backoff, clientOf } from "./federation.js";
import type { Arming } from "./points.js";
import { arm, armDisk } from "./reach.js";

export interface ClientTask {
  readonly serverAddress: string;
  readonly id: string;
  readonly stateDir: string;
  readonly arming: Arming;
}

const { serverAddress, id, stateDir, arming } = obeyParent() as ClientTask;
const reach = arm(arming);
armDisk("client's disk", reach);

/** An exception within the client's own code would be a refusal, which is an answer: here the process dies of it. */
async function mortal(point: string): Promise<void> {
  try {
    await reach(`client: ${point}`);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function around<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  await mortal(`before ${what}`);
  const result = await run();
  await mortal(`after ${what}`);
  return result;
}

async function losing(point: string): Promise<void> {
  try {
    await reach(`client: ${point}`);
  } catch (error) {
    throw new FederationError("connection/lost", messageOf(error), { cause: error });
  }
}

const client = clientOf(id, arming.action);
await startClient({
  clientId: id,
  stateDir,
  backoff,
  observe: say,
  client: {
    fit: (...question) => around("train", () => client.fit(...question)),
    evaluate: (...question) => around("evaluate", () => client.evaluate(...question)),
    save: () => around("save", () => client.save()),
    load: (state) => {
      client.load(state);
    },
  },
  async connect(clientId, signal) {
    const connection = await connect({ serverAddress, signal, ...(clientId !== undefined && { clientId }) });
    return {
      run: connection.run,
      instructions: () => connection.instructions(),
      async reply(reply) {
        await losing("before reply");
        await connection.reply(reply);
        await losing("after reply");
      },
      close: () => connection.close(),
    };
  },
});
