// Whatever clients do with their chunks, in whatever order: what counts is right, and nothing of the rest is left.
import { expect } from "chai";
import { float32, memorySink, random, sameTensor } from "@perennial-fl/core";
import type { OpenSink, Parameters, Random, RequestKey } from "@perennial-fl/core";
import { HeldBytes } from "../src/index.js";
import { ChunkedCall, encoded, key, stageOf } from "./chunked-client.js";
import type { Encoded } from "./chunked-client.js";
import type { Stage } from "./raw-client.js";

const updates: readonly Parameters[] = [1, 2].map((start) => [
  float32(
    [150],
    Float32Array.from({ length: 150 }, (_, i) => start * i),
  ),
  float32([2], [start, start]),
]);

/** How an upload goes: whole, whole with wrong bytes, cut off, or with a chunk out of its place. */
const fates = ["right", "right", "spoilt", "cut", "cut", "misplaced"] as const;

const pickOf = <T>(draw: Random, items: readonly T[]): T => items[draw.below(items.length)] as T;

/** Sends an announced update from where the server holds it, in random chunks, to the end that its fate has for it. */
async function send(call: ChunkedCall, { bytes, announced }: Encoded, fate: (typeof fates)[number], draw: Random) {
  let held = await call.announce(announced);
  const stopsAt =
    fate === "cut" || fate === "misplaced" ? held + draw.below(bytes.byteLength - held) : bytes.byteLength;
  const sent = fate === "spoilt" ? Buffer.alloc(bytes.byteLength, 1) : bytes;
  while (held < stopsAt) {
    const end = Math.min(stopsAt, held + 1 + draw.below(300));
    await call.send(held, sent.subarray(held, end));
    held = await call.held();
    expect(held).to.equal(end);
  }
  if (fate === "cut") call.lose();
  if (fate === "misplaced") await call.send(held + 1 + draw.below(9), bytes.subarray(0, 1));
}

/** Steps of three clients under one seed; gives how many updates counted, and how the sinks ended. */
async function storm(seed: number) {
  const draw = random("chunks", seed);
  const held = new HeldBytes();
  const [sinks, closed, aborted] = [new Set<number>(), new Set<number>(), new Set<number>()];
  const openSink: OpenSink = () => {
    const [sink, number] = [memorySink(), sinks.size];
    sinks.add(number);
    return {
      write: (chunk) => sink.write(chunk),
      close: (spans) => {
        closed.add(number);
        return sink.close(spans);
      },
      abort: (cause) => {
        aborted.add(number);
        return sink.abort(cause);
      },
    };
  };
  const stage: Stage = await stageOf("streaming", { openSink, held, limits: { partials: 2 } });
  const calls = new Map<string, ChunkedCall>();
  const prepared = await Promise.all(updates.map(encoded));
  let counted = 0;
  for (let step = 0; step < 40; step++) {
    const asked: RequestKey = { ...key, round: 1 + Math.floor(step / 8) };
    const client = pickOf(draw, ["ann", "ben", "cem"]);
    let call = calls.get(client);
    if (call === undefined) call = await ChunkedCall.asked(stage, client, asked);
    else await call.ask(stage, client, asked);
    calls.set(client, call);
    const which = draw.below(2);
    const fate = pickOf(draw, fates);
    await send(call, prepared[which] as Encoded, fate, draw);
    if (fate === "right") {
      const { reply } = await stage.next("replied");
      if (reply.type !== "fit") expect.fail(reply.type);
      for (const [i, tensor] of (updates[which] as Parameters).entries()) {
        expect(sameTensor(reply.update.read(i), tensor), `seed ${seed}, step ${step}`).to.equal(true);
      }
      counted++;
      continue;
    }
    if (fate !== "cut") await stage.next("unreadable");
    if (fate === "spoilt") continue;
    await stage.next("left");
    calls.delete(client);
  }
  await stage.close();
  expect(closed.size).to.equal(counted);
  expect([...closed].filter((number) => aborted.has(number))).to.deep.equal([]);
  expect(closed.size + aborted.size, `seed ${seed}: sinks left open`).to.equal(sinks.size);
  expect(held.now).to.equal(0);
  return { counted, aborted: aborted.size };
}

describe("updates in chunks, in bad weather,", () => {
  it("count when they are right and whole, and leave nothing otherwise", async () => {
    const ends = [];
    for (let seed = 1; seed <= 12; seed++) ends.push(await storm(seed));
    // The weather was bad, and not only bad.
    expect(Math.min(...ends.map(({ counted }) => counted))).to.be.greaterThan(3);
    expect(Math.min(...ends.map(({ aborted }) => aborted))).to.be.greaterThan(3);
  });
});
