// What the streaming server holds of uploads does not grow with the clients, and what arrives is what each of them sent.
import { expect } from "chai";
import { bytesOf, float32, memorySink, random, sameTensor } from "@perennial-fl/core";
import type { FleetEvent, OpenSink, Tensor, UpdateSink } from "@perennial-fl/core";
import { HeldBytes, connect, defaultLimits, listenStreaming } from "../src/index.js";
import type { ChunkOptions, ListenStreamingOptions, ServedConnection } from "../src/index.js";

const MiB = 2 ** 20;

/** A sink that takes its time and keeps nothing but a count. */
function countingSink(count: (bytes: number) => void): UpdateSink {
  return {
    write: (chunk) =>
      new Promise((resolve) => {
        setImmediate(() => {
          count(chunk.byteLength);
          resolve();
        });
      }),
    close: (tensors) => Promise.resolve({ tensors, read: () => expect.fail("nothing was kept") }),
    abort: () => Promise.resolve(),
  };
}

/** A sink that looks at a chunk only later, as a disk does. */
function slowSink(): UpdateSink {
  const sink = memorySink();
  const write: UpdateSink["write"] = (chunk) =>
    new Promise((resolve) => {
      setImmediate(() => {
        void sink.write(chunk);
        resolve();
      });
    });
  return { ...sink, write };
}

/** Different for every client, round and element. */
function distinct(client: string, round: number, length: number): Tensor {
  const start = random(client, round).uint32();
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (start + i * 0x9e3779b1) >>> 8;
  return float32([length], values);
}

/** Answers `rounds` instructions, each with values of its own. */
async function answer(client: ServedConnection, id: string, rounds: number, length: number): Promise<void> {
  const instructions = client.instructions()[Symbol.asyncIterator]();
  for (let round = 1; round <= rounds; round++) {
    await instructions.next();
    await client.reply({ type: "fit", update: [distinct(id, round, length)], numExamples: round, metrics: {} });
  }
}

async function rounds(
  options: {
    readonly clients: number;
    readonly rounds: number;
    readonly length: number;
    readonly openSink: OpenSink;
    readonly limits?: ListenStreamingOptions["limits"];
    readonly chunks?: ChunkOptions;
  },
  hear: (event: Extract<FleetEvent, { type: "replied" }>) => void,
): Promise<HeldBytes> {
  const held = new HeldBytes();
  const fleet = await listenStreaming({
    address: "127.0.0.1:0",
    openSink: options.openSink,
    held,
    limits: options.limits ?? {},
  });
  const { chunks } = options;
  const ids = Array.from({ length: options.clients }, (_, i) => `client-${i}`);
  const clients = await Promise.all(
    ids.map((clientId) => connect({ serverAddress: fleet.address, clientId, ...chunks })),
  );
  const answering = clients.map((client, i) => answer(client, ids[i] ?? "", options.rounds, options.length));
  const asked = new Map<string, number>();
  const ask = (client: string): void => {
    const round = (asked.get(client) ?? 0) + 1;
    asked.set(client, round);
    if (round <= options.rounds) {
      fleet.send(client, {
        type: "fit",
        key: { run: "r", round, attempt: 1, phase: "fit" },
        parameters: [],
        config: {},
      });
    }
  };
  let left = options.clients * options.rounds;
  for await (const event of fleet.events()) {
    if (event.type === "joined") ask(event.client);
    if (event.type !== "replied") continue;
    hear(event);
    ask(event.client);
    if (--left === 0) break;
  }
  await Promise.all(answering);
  await Promise.all(clients.map((client) => client.close()));
  await fleet.close();
  return held;
}

describe("the streaming server's memory", () => {
  for (const [manner, chunks] of [
    ["in one message each", {}],
    ["in chunks", { chunkedFromBytes: MiB, chunkBytes: 3 * MiB }],
  ] as const) {
    it(`holds no more of 8 updates ${manner} than its stages and windows, and has stored every byte`, async () => {
      let stored = 0;
      const openSink: OpenSink = () => countingSink((bytes) => (stored += bytes));
      const length = (16 * MiB) / 4;
      const held = await rounds({ clients: 8, rounds: 1, length, openSink, chunks }, () => undefined);
      expect(stored).to.equal(8 * 16 * MiB);
      const { uploads, stageBytes, windowBytes, smallMessageBytes } = defaultLimits;
      expect(held.peak).to.be.lessThan(uploads * (2 * stageBytes + windowBytes) + 4 * smallMessageBytes);
      expect(held.peak).to.be.greaterThan(uploads * 2 * stageBytes);
      expect(held.now).to.equal(0);
    });
  }

  it("what arrives is what that client sent in that round, to the bit", async () => {
    const openSink: OpenSink = () => slowSink();
    let heard = 0;
    // Long enough for a place, and of no round length; one turn of the event loop fills several of these stages.
    const length = 400_001;
    const limits = { stageBytes: 2 ** 14 };
    await rounds({ clients: 6, rounds: 3, length, openSink, limits }, ({ client, key, reply }) => {
      if (reply.type !== "fit" || key === undefined) expect.fail(reply.type);
      expect(reply.numExamples).to.equal(key.round);
      const [expected, actual] = [distinct(client, key.round, length), reply.update.read(0)];
      expect(sameTensor(actual, expected), `${client} in round ${key.round}`).to.equal(true);
      expect(bytesOf(actual).byteLength).to.equal(4 * length);
      heard++;
    });
    expect(heard).to.equal(18);
  });
});
