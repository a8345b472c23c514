// Clients that are wrong: in what they return, in how they are started, in where they keep their state.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startClient } from "@perennial-fl/client";
import type { Client, ClientEvent, ClientOptions } from "@perennial-fl/client";
import { FederationError, float32, memorySink } from "@perennial-fl/core";
import type { Instruction } from "@perennial-fl/core";
import { inMemoryFleet } from "@perennial-fl/transport";
import { freePort } from "../support/free-port.js";
import { table } from "./table.js";

const question: Instruction = {
  type: "fit",
  key: { run: "r", round: 1, attempt: 1, phase: "fit" },
  parameters: [float32([2], [0, 0])],
  config: {},
};

const idle: Client = {
  fit: (parameters) => ({ parameters, numExamples: 1 }),
  evaluate: () => ({ loss: 0, numExamples: 1 }),
};

/** Asks a client that was written in JavaScript to train, and throws what it then reports. */
const training = (result: unknown) => async (dir: string) => {
  const memory = inMemoryFleet({ openSink: memorySink, run: "r" });
  const events: ClientEvent[] = [];
  const serving = startClient({
    client: { ...idle, fit: () => (typeof result === "function" ? (result as () => never)() : (result as never)) },
    connect: (id) => memory.connect(id),
    clientId: "ada",
    stateDir: dir,
    observe: (event) => events.push(event),
  });
  for await (const event of memory.fleet.events()) {
    if (event.type === "joined") memory.fleet.send(event.client, question);
    if (event.type === "replied") memory.fleet.send(event.client, { type: "reconnect", seconds: 0 });
    if (event.type === "left") break;
  }
  await serving;
  const failed = events.find((event) => event.type === "failed");
  if (failed) throw new FederationError(failed.code, failed.message);
};

const starting = (options: Partial<ClientOptions>) =>
  startClient({ client: idle, connect: () => new Promise(() => undefined), ...options });

/** Does something while a client serves. */
async function whileServing(options: Partial<ClientOptions>, act: () => Promise<unknown>): Promise<unknown> {
  const stop = new AbortController();
  const memory = inMemoryFleet({ openSink: memorySink });
  let serving: Promise<void> = Promise.resolve();
  const connected = new Promise<void>((resolve) => {
    const observe = (event: ClientEvent): void => {
      if (event.type === "connected") resolve();
    };
    serving = starting({ connect: (id) => memory.connect(id), signal: stop.signal, observe, ...options });
  });
  try {
    await Promise.race([connected, serving]);
    return await act();
  } finally {
    stop.abort();
    await serving;
  }
}

table("what a client returns", [
  {
    title: "nothing",
    act: training(undefined),
    code: "client/failed",
    message: "the client's fit returned undefined, which is not an object",
  },
  {
    title: "parameters that are no array",
    act: training({ parameters: "weights", numExamples: 1 }),
    code: "client/failed",
    message: `the client's fit returned parameters "weights", which is not an array of tensors`,
  },
  {
    title: "plain numbers for a tensor",
    act: training({ parameters: [[1, 2]], numExamples: 1 }),
    code: "client/failed",
    message: "the client's fit returned parameters whose tensor 0 is not one: its dtype is undefined",
  },
  {
    title: "a tensor with too few elements",
    act: training({ parameters: [{ dtype: "float32", shape: [2], data: new Float32Array(1) }], numExamples: 1 }),
    code: "client/failed",
    message:
      "the client's fit returned parameters whose tensor 0 is not one: a tensor of shape [2] holds 2 elements, not 1",
  },
  {
    title: "a negative number of examples",
    act: training({ parameters: question.parameters, numExamples: -3 }),
    code: "client/failed",
    message: "the client's fit returned numExamples -3, which is not a whole number from 0",
  },
  {
    title: "a metric that is an object",
    act: training({ parameters: question.parameters, numExamples: 1, metrics: { accuracy: { value: 1 } } }),
    code: "client/failed",
    message:
      "the client's fit returned the metric accuracy = an object, which is not a boolean, number, bigint, string or bytes",
  },
  {
    title: "nothing, because it throws",
    act: training(() => {
      throw new Error("cannot read /data/train.csv");
    }),
    code: "client/failed",
    message: "cannot read /data/train.csv",
  },
]);

table("how a client is started", [
  {
    title: "with no server to go to",
    act: () => startClient({ client: idle }),
    code: "argument/invalid",
    message: "starting a client: give either serverAddress or connect",
  },
  {
    title: "with an id that leads out of a directory",
    act: async () => startClient({ client: idle, serverAddress: `127.0.0.1:${await freePort()}`, clientId: "../ada" }),
    code: "argument/invalid",
    message:
      'a client id is up to 128 letters, digits, ".", "_" and "-", begins with a letter or digit and holds no "..", unlike "../ada"',
  },
  {
    title: "with a server that does not answer",
    act: async () =>
      startClient({
        client: idle,
        serverAddress: `127.0.0.1:${await freePort()}`,
        backoff: { giveUpAfterMs: 0 },
      }),
    code: "connection/refused",
    message: "no server answers at 127.0.0.1:PORT: connect ECONNREFUSED",
  },
  {
    title: "with a wait of no time",
    act: () => starting({ backoff: { firstMs: -1 } }),
    code: "argument/invalid",
    message: "backoff.firstMs is a positive number of milliseconds, not -1",
  },
  {
    title: "with a state directory that is missing",
    act: (dir) => starting({ stateDir: join(dir, "missing"), clientId: "ada" }),
    code: "storage/directory",
    message: "the directory DIR/missing does not exist, and is not created",
  },
  {
    title: "with a state directory that is a file",
    act: (dir) => {
      writeFileSync(join(dir, "file"), "");
      return starting({ stateDir: join(dir, "file"), clientId: "ada" });
    },
    code: "storage/directory",
    message: "the directory DIR/file is not a directory",
  },
  {
    title: "over the state of another client",
    act: async (dir) => {
      await whileServing({ stateDir: dir, clientId: "ada" }, () => Promise.resolve());
      await starting({ stateDir: dir, clientId: "grace" });
    },
    code: "plan/mismatch",
    message: "the state directory DIR belongs to the client ada, and grace was to use it",
  },
  {
    title: "twice on one state directory",
    act: (dir) => whileServing({ stateDir: dir, clientId: "ada" }, () => starting({ stateDir: dir, clientId: "ada" })),
    code: "storage/locked",
    message: "DIR is in use by process PID",
  },
  {
    title: "over a damaged state",
    act: async (dir) => {
      mkdirSync(join(dir, "state"));
      writeFileSync(join(dir, "state", "client-identity"), "not a state");
      await starting({ stateDir: join(dir, "state"), clientId: "ada" });
    },
    code: "checkpoint/corrupt",
    message:
      "no generation of the state is valid: DIR/state/client-identity is damaged: it ends within its header; to begin anew, move the damaged files away",
  },
]);
