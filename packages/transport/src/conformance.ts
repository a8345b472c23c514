// What every transport promises, as a suite for mocha that each implementation runs.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { float } from "@perennial-fl/core";
import type { Config, Instruction, OpenSink, Parameters, Reply, RequestKey } from "@perennial-fl/core";
import { first, fit, fitReply, key, numbers, using } from "./conformance-bench.js";
import type { TransportUnderTest } from "./conformance-bench.js";
import { describeUpdates } from "./conformance-updates.js";

export type { TransportUnderTest } from "./conformance-bench.js";

type Question = Exclude<Instruction, { type: "reconnect" }>;

/** Fails within mocha's patience if an implementation breaks a promise of `Fleet` or `Connection`. */
export function describeTransport(name: string, make: (openSink: OpenSink) => Promise<TransportUnderTest>): void {
  describe(`the transport ${name}`, () => {
    describeStays(make);
    describeMessages(make);
    describeUpdates(make);
  });
}

function describeStays(make: (openSink: OpenSink) => Promise<TransportUnderTest>): void {
  it("tells of clients that join, with their own id or a new one each time", () =>
    using(make, async ({ connect, next }) => {
      await connect("ann");
      deepEqual(await next(), { type: "joined", client: "ann", identified: true });
      await connect();
      const second = await next("joined");
      equal(second.identified, false);
      await connect();
      ok(second.client !== (await next("joined")).client);
    }));

  it("lets the older connection leave before a client joins again under its id", () =>
    using(make, async ({ connect, next }) => {
      const older = await connect("ann");
      await next("joined");
      await connect("ann");
      equal((await next("left")).client, "ann");
      equal((await next("joined")).client, "ann");
      await rejects(first(older), { code: "connection/replaced", message: /two connections under one id/ });
    }));

  it("addresses the stay that the server knows of, not one that it has not yet been told of", () =>
    using(make, async ({ fleet, connect, next }) => {
      await connect("ann");
      await next("joined");
      const newer = await connect("ann");
      fleet.send("ann", { type: "properties", config: { to: "older" } });
      await next("left");
      await next("joined");
      fleet.send("ann", { type: "properties", config: { to: "newer" } });
      const instruction = (await first(newer)) as Question;
      deepEqual({ ...instruction.config }, { to: "newer" });
    }));

  it("tells that a client has left, after its last reply", () =>
    using(make, async ({ fleet, connect, next }) => {
      const client = await connect("ann");
      await next("joined");
      fleet.send("ann", fit([numbers("float32", [3])]));
      await first(client);
      await client.reply(fitReply([numbers("float32", [3])]));
      await client.close();
      equal((await next("replied")).client, "ann");
      equal((await next("left")).client, "ann");
      fleet.send("ann", { type: "properties", config: {} });
    }));

  it("tells that a client left as it was told to, and ends its instructions", () =>
    using(make, async ({ fleet, connect, next }) => {
      const client = await connect("ann");
      await next("joined");
      fleet.send("ann", { type: "reconnect", seconds: 9 });
      const heard: Instruction[] = [];
      for await (const instruction of client.instructions()) heard.push(instruction);
      deepEqual(heard, [{ type: "reconnect", seconds: 9 }]);
      match((await next("left")).message, /told to/);
    }));

  it("breaks its clients' connections when it closes, and ends its events", () =>
    using(make, async ({ fleet, connect, next, events }) => {
      const client = await connect("ann");
      await next("joined");
      const lost = rejects(first(client), { code: "connection/lost" });
      await fleet.close();
      await lost;
      await rejects(client.reply(fitReply([])), { code: "connection/lost" });
      let last = await events.next();
      while (last.done !== true) last = await events.next();
    }));

  it("tells of elapsed timers by name, once, and only of the last of a name", () =>
    using(make, async ({ fleet, next }) => {
      fleet.wait("a", 60_000);
      fleet.wait("a", 0);
      fleet.wait("b", 1);
      deepEqual([(await next("elapsed")).timer, (await next("elapsed")).timer].sort(), ["a", "b"]);
    }));
}

function describeMessages(make: (openSink: OpenSink) => Promise<TransportUnderTest>): void {
  it("carries every kind of instruction and reply", () =>
    using(make, async (test) => {
      const update = [numbers("float32", [2, 2])];
      const metrics = { accuracy: 0.5 };
      const evaluateKey: RequestKey = { ...key, phase: "evaluate" };
      const pairs: [Question, Reply<Parameters>][] = [
        [fit(update), { type: "fit", update, numExamples: 7, metrics }],
        [
          { type: "evaluate", key: evaluateKey, parameters: update, config: {} },
          { type: "evaluate", loss: 0.1, numExamples: 7, metrics },
        ],
        [
          { type: "parameters", config: {} },
          { type: "parameters", update },
        ],
        [
          { type: "properties", config: {} },
          { type: "properties", properties: metrics },
        ],
        [fit(update), { type: "refused", message: "not today" }],
      ];
      const client = await test.connect("ann");
      await test.next("joined");
      const asking = client.instructions()[Symbol.asyncIterator]();
      for (const [instruction, reply] of pairs) {
        test.fleet.send("ann", instruction);
        const { value } = (await asking.next()) as { value: Question };
        equal(value.type, instruction.type);
        const asked = "key" in instruction ? instruction.key : undefined;
        deepEqual("key" in value ? value.key : undefined, asked);
        await client.reply(reply);
        const event = await test.next("replied");
        deepEqual(event.key, asked);
        equal(event.reply.type, reply.type);
        if (event.reply.type === "evaluate") equal(event.reply.loss, Math.fround(0.1));
        if (event.reply.type === "fit") equal(event.reply.numExamples, 7);
        if (event.reply.type === "refused") equal(event.reply.message, "not today");
        if (event.reply.type === "properties") deepEqual({ ...event.reply.properties }, metrics);
      }
    }));

  it("carries every kind of scalar", () =>
    using(make, async (test) => {
      const bytes = Uint8Array.of(0, 255);
      const sent: Config = {
        yes: true,
        no: false,
        zero: 0,
        minus: -3,
        half: 0.5,
        two: float(2),
        text: "ü",
        none: "",
        bytes,
      };
      const integers: Config = { small: 5n, least: -(2n ** 63n), most: 2n ** 64n - 1n, negativeZero: -0, nan: NaN };
      const client = await test.connect("ann");
      await test.next("joined");
      test.fleet.send("ann", { type: "properties", config: { ...sent, ...integers } });
      const instruction = (await first(client)) as Question;
      deepEqual({ ...instruction.config }, { ...sent, ...integers, two: 2, small: 5 });
      await client.reply({ type: "properties", properties: instruction.config });
      const { reply } = await test.next("replied");
      deepEqual(reply.type === "properties" && { ...reply.properties }, { ...instruction.config });
    }));

  it("shows the request key only to clients that say who they are", () =>
    using(make, async (test) => {
      const client = await test.connect();
      const { client: id } = await test.next("joined");
      test.fleet.send(id, fit([], { a: 1 }));
      const instruction = (await first(client)) as Question;
      equal("key" in instruction, false);
      deepEqual({ ...instruction.config }, { a: 1 });
      await client.reply(fitReply([]));
      deepEqual((await test.next("replied")).key, key);
    }));

  it("cannot read an answer that nobody asked for, nor one of another kind, and ends that connection", () =>
    using(make, async (test) => {
      const client = await test.connect("ann");
      await test.next("joined");
      test.fleet.send("ann", fit([]));
      const asking = client.instructions()[Symbol.asyncIterator]();
      await asking.next();
      await client.reply({ type: "properties", properties: {} });
      const wrong = await test.next("unreadable");
      deepEqual(wrong.key, key);
      match(wrong.message, /properties answer came to a fit/);
      await test.next("left");
      await rejects(Promise.resolve(asking.next()), { code: /connection\/(lost|refused)/ });
      const second = await test.connect("ben");
      await test.next("joined");
      await second.reply(fitReply([]));
      match((await test.next("unreadable")).message, /nothing had asked/);
      await test.next("left");
    }));

  it("refuses to send the reserved name and integers that no scalar holds", () =>
    using(make, async ({ connect, next, fleet }) => {
      await connect("ann");
      await next("joined");
      let code: unknown;
      try {
        fleet.send("ann", { type: "properties", config: { "perennial.key": "x" } });
      } catch (error) {
        code = (error as { code?: unknown }).code;
      }
      equal(code, "argument/invalid");
    }));
}
