// The streaming server keeps every promise of a transport, with grpc-js on the other side.
import { memorySink } from "@perennial-fl/core";
import type { FleetEvent } from "@perennial-fl/core";
import { expect } from "chai";
import { describeTransport } from "../src/conformance.js";
import { connect, listenStreaming } from "../src/index.js";

describeTransport("over our own framing", async (openSink) => {
  const fleet = await listenStreaming({ address: "127.0.0.1:0", openSink, run: "r-1" });
  return {
    fleet,
    connect: (clientId) => connect({ serverAddress: fleet.address, ...(clientId === undefined ? {} : { clientId }) }),
  };
});

describe("the streaming server", () => {
  it("tells when a question had gone, and when its answer began and ended", async () => {
    const fleet = await listenStreaming({ address: "127.0.0.1:0", openSink: () => memorySink(), run: "r-1" });
    const events = fleet.events()[Symbol.asyncIterator]();
    const client = await connect({ serverAddress: fleet.address, clientId: "ann" });
    await events.next();
    const before = performance.now();
    fleet.send("ann", { type: "properties", config: {} });
    await client.instructions()[Symbol.asyncIterator]().next();
    await client.reply({ type: "properties", properties: {} });
    const { value } = (await events.next()) as IteratorResult<FleetEvent, undefined>;
    const times = value?.type === "replied" ? value.times : undefined;
    const moments = [before, times?.sentMs, times?.beganMs, times?.endedMs, performance.now()].map(Number);
    expect(moments).to.deep.equal([...moments].sort((a, b) => a - b));
    await client.close();
    await fleet.close();
  });
});
