// Updates that come in chunks: they go on where they were interrupted, and whatever is wrong with one leaves nothing.
import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import { float32, memorySink, sameTensor } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { defaultPartialLimits } from "../src/chunks/limits.js";
import { PartialUpdates } from "../src/chunks/partial-updates.js";
import { Interrupted } from "../src/http2/byte-source.js";
import { HeldBytes } from "../src/index.js";
import { encodeDisconnect } from "../src/wire/client-message.js";
import { ChunkedCall, encoded, key, servers, stageOf } from "./chunked-client.js";
import { RawCall, framed } from "./raw-client.js";
import type { Stage } from "./raw-client.js";
import { recording } from "./recording-sinks.js";

const update: Parameters = [
  float32(
    [100],
    Float32Array.from({ length: 100 }, (_, i) => i / 7),
  ),
  float32([2], [1, 2]),
];
const another: Parameters = [float32([100], new Float32Array(100)), float32([2], [3, 4])];
const asText = (bytes: string): string => decodeURIComponent(bytes);

for (const kind of Object.keys(servers) as (keyof typeof servers)[]) {
  describe(`an update in chunks, at the ${kind} server,`, () => {
    let stage: Stage;
    afterEach(() => stage.close());

    /** Ann announces and sends the first `sent` bytes of the update, and is gone; the server has noticed. */
    async function interrupted(sent: number): Promise<void> {
      const { bytes, announced } = await encoded(update);
      const ann = await ChunkedCall.asked(stage, "ann");
      expect(await ann.announce(announced)).to.equal(0);
      await ann.send(0, bytes.subarray(0, sent));
      expect(await ann.held()).to.equal(sent);
      ann.lose();
      await stage.next("left");
    }

    it("goes on where its connection was lost, at whatever byte, into the same sink", async () => {
      const { bytes, announced } = await encoded(update);
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      for (const sent of [1, 100, 133, 300, bytes.byteLength - 1, bytes.byteLength]) {
        await interrupted(Math.min(sent, bytes.byteLength - 1));
        const ann = await ChunkedCall.asked(stage, "ann");
        const held = await ann.announce(announced);
        expect(held).to.equal(Math.min(sent, bytes.byteLength - 1));
        await ann.send(held, bytes.subarray(held));
        const { reply, key: answered } = await stage.next("replied");
        expect(answered).to.deep.equal(key);
        if (reply.type !== "fit") expect.fail(reply.type);
        expect({ ...reply.metrics, n: reply.numExamples }).to.deep.equal({ a: 0.5, n: 7 });
        for (const [i, tensor] of update.entries()) expect(sameTensor(reply.update.read(i), tensor)).to.equal(true);
        expect(ends.splice(0)).to.deep.equal(["closed"]);
        ann.lose();
        await stage.next("left");
      }
    });

    it("is nobody's but its client's, and nothing of it is left when that client announces another", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      await interrupted(200);
      const ben = await ChunkedCall.asked(stage, "ben");
      expect(await ben.announce((await encoded(update)).announced)).to.equal(0);
      expect(ends).to.deep.equal([]);
      const ann = await ChunkedCall.asked(stage, "ann");
      expect(await ann.announce((await encoded(another)).announced)).to.equal(0);
      expect(ends).to.deep.equal(["aborted"]);
    });

    it("is dropped when the server has gone on to another question, and when it closes", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      await interrupted(200);
      const later = { ...key, round: 2 };
      const ben = await ChunkedCall.asked(stage, "ben", later);
      expect(await ben.announce((await encoded(update)).announced)).to.equal(0);
      expect(ends).to.deep.equal(["aborted"]);
      await ben.send(0, (await encoded(update)).bytes.subarray(0, 9));
      expect(await ben.held()).to.equal(9);
      ben.lose();
      await stage.next("left");
      await stage.fleet.close();
      expect(ends).to.deep.equal(["aborted", "aborted"]);
    });

    it("that is not the one announced is not counted, and its client can be asked again", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      const [{ bytes }, { announced }] = [await encoded(another), await encoded(update)];
      const ann = await ChunkedCall.asked(stage, "ann");
      await ann.announce(announced);
      await ann.send(0, bytes);
      const { message } = await stage.next("unreadable");
      expect(message).to.match(/came with the SHA-256 [0-9a-f]{64}, and [0-9a-f]{64} was announced/);
      expect(message).to.contain(announced.sha256);
      expect(ends).to.deep.equal(["aborted"]);
      await ann.held();
      await ann.ask(stage, "ann");
      expect(await ann.announce(announced)).to.equal(0);
    });

    it("that cannot be read is passed over to its end, and its client can be asked again", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      const { bytes, announced } = await encoded(update);
      bytes.fill(0, 20, 60);
      const ann = await ChunkedCall.asked(stage, "ann");
      await ann.announce(announced);
      for (const [from, to] of [
        [0, 100],
        [100, 300],
        [300, bytes.byteLength],
      ] as const) {
        await ann.send(from, bytes.subarray(from, to));
        expect(await ann.held()).to.equal(to);
      }
      expect((await stage.next("unreadable")).message).to.match(
        /fit_res\.parameters\.tensors\[0\] has the \.npy header/,
      );
      expect(ends).to.deep.equal(["aborted"]);
      await ann.ask(stage, "ann");
    });

    it("ends its connection when a chunk does not belong where it says, naming the places", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink, chunkBytes: 800 });
      const { bytes, announced } = await encoded(update);
      const total = bytes.byteLength;
      const wrong: [(ann: ChunkedCall) => Promise<void>, RegExp][] = [
        [
          (ann) => ann.send(50, bytes.subarray(50, 60)),
          /a chunk of 10 bytes of .* begins at 50, and 100 bytes are held/,
        ],
        [(ann) => ann.send(101, bytes.subarray(101, 200)), /begins at 101, and 100 bytes are held/],
        [(ann) => ann.send(2 ** 40, Uint8Array.of(1)), /begins at 1099511627776, and 100 bytes are held/],
        [(ann) => ann.send(100, new Uint8Array(total - 99)), new RegExp(`begins at 100, and ${total} were announced`)],
        [(ann) => ann.send(100, new Uint8Array(0)), /a chunk of 0 bytes of .* begins at 100: it is empty/],
        [(ann) => ann.send(100, new Uint8Array(1000)), /a message of 1\d+ bytes came, and at most 864 are received/],
        [(ann) => ann.call.write(framed(encodeDisconnect())), /another message where a chunk was announced/],
      ];
      for (const [send, says] of wrong) {
        const ann = await ChunkedCall.asked(stage, "ann");
        await ann.announce(announced);
        await ann.send(0, bytes.subarray(0, 100));
        await ann.held();
        await send(ann);
        expect((await stage.next("unreadable")).message).to.match(says);
        expect((await stage.next("left")).message).to.match(says);
        ann.call.stream.end();
        const trailers = await ann.call.ended;
        expect(trailers).to.include({ "grpc-status": "3" });
        expect(asText(String(trailers?.["grpc-message"]))).to.match(says);
        expect(ends.splice(0)).to.deep.equal(["aborted"]);
      }
    });

    it("is not received when it is longer than its question allows, nor when its client begins without end", async () => {
      const { openSink, ends } = recording();
      stage = await stageOf(kind, { openSink });
      const { announced } = await encoded(update);
      const ann = await ChunkedCall.asked(stage, "ann");
      const long = { ...announced, byteLength: 2 ** 40 };
      expect(await ann.announce(long)).to.equal(long.byteLength);
      expect((await stage.next("unreadable")).message).to.match(
        /1099511627776 bytes, and one for r\/1\/1\/fit has at most/,
      );
      expect(ends).to.deep.equal([]);
      for (let count = 1; count <= 10; count++) {
        await ann.ask(stage, "ann");
        await ann.announce({ ...announced, byteLength: 0 });
        await stage.next("unreadable");
      }
      await ann.ask(stage, "ann");
      await ann.announce(announced);
      expect((await stage.next("unreadable")).message).to.match(/ann began its update for r\/1\/1\/fit 1[12] times/);
    });

    it("is taken only from a client that says who it is, and a chunk only after its announcement", async () => {
      const { openSink } = recording();
      stage = await stageOf(kind, { openSink });
      const stranger = new ChunkedCall(new RawCall(stage.session()));
      const { client } = await stage.next("joined");
      await stranger.ask(stage, client);
      stranger.announce((await encoded(update)).announced).catch(() => undefined);
      expect((await stage.next("unreadable")).message).to.match(/did not say who it is/);
      await stage.next("left");
      const ann = await ChunkedCall.asked(stage, "ann");
      await ann.send(0, Uint8Array.of(1));
      expect((await stage.next("unreadable")).message).to.match(/a chunk of an update that nothing announced/);
    });
  });
}

describe("a streaming server, of updates whose clients are away,", () => {
  let stage: Stage;
  afterEach(() => stage.close());

  async function begin(client: string): Promise<void> {
    const { bytes, announced } = await encoded(update);
    const call = await ChunkedCall.asked(stage, client);
    await call.announce(announced);
    await call.send(0, bytes.subarray(0, 100));
    await call.held();
    call.lose();
    await stage.next("left");
  }

  it("keeps no more than it was told to, and drops the one that has waited longest", async () => {
    const opened: string[] = [];
    const aborted: string[] = [];
    stage = await stageOf("streaming", {
      openSink: (client) => {
        opened.push(client);
        const abort = (): Promise<void> => Promise.resolve(void aborted.push(client));
        return { ...memorySink(), abort };
      },
      limits: { partials: 2 },
    });
    for (const client of ["ann", "ben", "cem"]) await begin(client);
    const { announced } = await encoded(update);
    const held = async (client: string): Promise<number> =>
      (await ChunkedCall.asked(stage, client)).announce(announced);
    expect(await held("ben")).to.equal(100);
    expect(await held("cem")).to.equal(100);
    expect(await held("ann")).to.equal(0);
    expect(aborted).to.deep.equal(["ann"]);
    expect(opened).to.deep.equal(["ann", "ben", "cem", "ann"]);
  });

  it("keeps none for longer than it was told to", async () => {
    let drop = (): void => undefined;
    const dropped = new Promise<void>((resolve) => (drop = resolve));
    const abort = (cause: unknown): Promise<void> => {
      expect(String(cause)).to.match(/ann stayed away for 1 ms/);
      drop();
      return Promise.resolve();
    };
    stage = await stageOf("streaming", { openSink: () => ({ ...memorySink(), abort }), limits: { partialMs: 1 } });
    await begin("ann");
    await dropped;
  });

  it("says aloud that one could not be forgotten", async () => {
    let report: (error: unknown) => void = () => undefined;
    const reported = new Promise<unknown>((resolve) => (report = resolve));
    const openSink = () => ({ ...memorySink(), abort: () => Promise.reject(new Error("the disk is gone")) });
    stage = await stageOf("streaming", { openSink, report, limits: { partialMs: 1 } });
    await begin("ann");
    expect(String(await reported)).to.match(/ann that had come in part is dropped: .*the disk is gone/);
  });
});

describe("updates whose clients are away", () => {
  it("are all forgotten when the server has closed, also those that it was forgetting", async () => {
    let release = (): void => undefined;
    const abort = (): Promise<void> => new Promise((resolve) => (release = resolve));
    const limits = { ...defaultPartialLimits, partials: 0 };
    const options = {
      limits,
      held: new HeldBytes(),
      report: (error: unknown) => expect.fail(String(error)),
      clock: undefined,
    };
    const partials = new PartialUpdates(() => ({ ...memorySink(), abort }), options);
    partials.asked(key);
    const lost = { acknowledge: () => undefined, next: () => Promise.reject(new Interrupted("lost")) };
    const asked = { client: "ann", key, mostBytes: 10_000 };
    const { announced } = await encoded(update);
    expect(await partials.receive(asked, announced, lost).catch((error: unknown) => error)).to.be.an.instanceOf(
      Interrupted,
    );
    let closed = false;
    const closing = partials.close().then(() => (closed = true));
    await setImmediate();
    expect(closed).to.equal(false);
    release();
    await closing;
  });
});
