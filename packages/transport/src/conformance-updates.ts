// The part of the conformance suite that is about parameters and where updates rest.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { dtypes, memorySink } from "@perennial-fl/core";
import type { Instruction, OpenSink } from "@perennial-fl/core";
import { first, fit, fitReply, numbers, sameParameters, storedIn, using } from "./conformance-bench.js";
import type { TransportUnderTest } from "./conformance-bench.js";

export function describeUpdates(make: (openSink: OpenSink) => Promise<TransportUnderTest>): void {
  it("carries every type of element, scalars, empty tensors and 8 MiB, there and back", () =>
    using(make, async (test) => {
      const parameters = [
        ...dtypes.map((dtype) => numbers(dtype, [2, 3])),
        numbers("float64", []),
        numbers("int8", [4, 0, 2]),
        numbers("float32", [2 ** 21]),
      ];
      const client = await test.connect("ann");
      await test.next("joined");
      test.fleet.send("ann", fit(parameters));
      const instruction = await first(client);
      ok("parameters" in instruction);
      sameParameters(instruction.parameters, parameters);
      await client.reply(fitReply(instruction.parameters));
      sameParameters(storedIn((await test.next("replied")).reply), parameters);
    }));

  it("gives two clients the same parameters", () =>
    using(make, async (test) => {
      const parameters = [numbers("float32", [5])];
      for (const id of ["ann", "ben"]) {
        const client = await test.connect(id);
        await test.next("joined");
        test.fleet.send(id, fit(parameters));
        const instruction = await first(client);
        sameParameters("parameters" in instruction ? instruction.parameters : [], parameters);
      }
    }));

  it("finds the first NaN or infinity of a tensor while its bytes go by", () =>
    using(make, async (test) => {
      const values = new Float32Array(600_000);
      values[500_000] = NaN;
      values[500_001] = Infinity;
      const client = await test.connect("ann");
      await test.next("joined");
      test.fleet.send("ann", fit([]));
      await first(client);
      await client.reply(fitReply([{ dtype: "float32", shape: [600, 1000], data: values }, numbers("float32", [1])]));
      const { reply } = await test.next("replied");
      const found = reply.type === "fit" ? reply.update.tensors.map((header) => header.firstNonFinite) : [];
      deepEqual(found, [500_000, undefined]);
    }));

  it("tells of a reply whose update is still coming to rest before its client leaves and joins again", async () => {
    let release = (): void => undefined;
    let arrive = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const write = (): Promise<void> => {
      arrive();
      return released;
    };
    const openSink: OpenSink = () => ({ ...memorySink(), write });
    await using(
      make,
      async ({ connect, fleet, next }) => {
        const older = await connect("ann");
        await next("joined");
        fleet.send("ann", fit([]));
        await first(older);
        await older.reply(fitReply([numbers("bool", [3])]));
        await arrived;
        await connect("ann");
        release();
        for (const type of ["replied", "left", "joined"] as const) await next(type);
      },
      openSink,
    );
  });

  it("tells of a reply only when its update is at rest, and keeps a client whose update could not be stored", async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const aborted: unknown[] = [];
    const openSink: OpenSink = (client) => ({
      ...memorySink(),
      write: () => released,
      close: () => Promise.reject(new Error(`no space for ${client}`)),
      abort: (cause) => {
        aborted.push(cause);
        return Promise.resolve();
      },
    });
    await using(
      make,
      async (test) => {
        const client = await test.connect("ann");
        await test.next("joined");
        test.fleet.send("ann", fit([]));
        const asking = client.instructions()[Symbol.asyncIterator]();
        await asking.next();
        await client.reply(fitReply([numbers("float32", [3])]));
        const event = test.next("unreadable");
        release();
        match((await event).message, /no space for ann/);
        equal(aborted.length, 1);
        test.fleet.send("ann", { type: "properties", config: {} });
        equal(((await asking.next()) as { value: Instruction }).value.type, "properties");
      },
      openSink,
    );
  });
}
