// The transport over gRPC keeps every promise of a transport, and stands what strangers send.
import { expect } from "chai";
import { Client, credentials, status } from "@grpc/grpc-js";
import type { ClientDuplexStream, Metadata, StatusObject } from "@grpc/grpc-js";
import { float32, memorySink } from "@perennial-fl/core";
import type { FleetEvent } from "@perennial-fl/core";
import { describeTransport } from "../src/conformance.js";
import { joinMethod, metadataOf } from "../src/grpc/service.js";
import { connect, listen } from "../src/index.js";
import type { ListenOptions, ListeningFleet } from "../src/index.js";

const openSink = (): ReturnType<typeof memorySink> => memorySink();
const local = { address: "127.0.0.1:0", openSink } as const satisfies ListenOptions;

describeTransport("over gRPC", async (openSink) => {
  const fleet = await listen({ address: "127.0.0.1:0", openSink, run: "r-1" });
  return {
    fleet,
    connect: (clientId) => connect({ serverAddress: fleet.address, ...(clientId === undefined ? {} : { clientId }) }),
  };
});

describe("the gRPC transport", () => {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  });

  async function open(options: Partial<ListenOptions> = {}): Promise<ListeningFleet> {
    const fleet = await listen({ ...local, ...options });
    opened.push(fleet);
    return fleet;
  }

  /** A client of strangers: raw bytes in both directions. */
  function join(address: string, metadata: Metadata = metadataOf({})): ClientDuplexStream<Buffer, Buffer> {
    const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    opened.push(client);
    const { path, requestSerialize, responseDeserialize } = joinMethod;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    call.on("error", () => undefined);
    return call;
  }

  const ended = (call: ClientDuplexStream<Buffer, Buffer>): Promise<StatusObject> =>
    new Promise((resolve) => call.on("status", resolve).resume());
  const message = (call: ClientDuplexStream<Buffer, Buffer>): Promise<Buffer> =>
    new Promise((resolve) => call.once("data", resolve));
  const following = (fleet: ListeningFleet): (() => Promise<FleetEvent>) => {
    const events = fleet.events()[Symbol.asyncIterator]();
    return async () => ((await events.next()) as { value: FleetEvent }).value;
  };

  it("sends a stock Flower client the bytes that Flower's server sends", async () => {
    const fleet = await open();
    const next = following(fleet);
    const call = join(fleet.address);
    const { client } = (await next()) as { client: string };
    fleet.send(client, { type: "parameters", config: {} });
    expect((await message(call)).toString("hex")).to.equal("1a00");
    call.write(Buffer.from("1a0b0a0912075375636365737312", "hex").subarray(0, 13));
    expect(await next()).to.include({ type: "replied" });
    fleet.send(client, { type: "reconnect", seconds: 0 });
    expect((await message(call)).toString("hex")).to.equal("0a00");
    call.cancel();
    expect(await next()).to.deep.include({ type: "left", message: "the client left as it was told to" });
  });

  it("says of rubbish what is wrong with it, and keeps the client", async () => {
    const fleet = await open();
    const next = following(fleet);
    const call = join(fleet.address);
    const { client } = (await next()) as { client: string };
    for (const rubbish of ["", "ff", "22ffffffff0f", "220412022a00", "07"]) {
      fleet.send(client, { type: "fit", parameters: [], config: {} });
      await message(call);
      call.write(Buffer.from(rubbish, "hex"));
      const event = await next();
      expect(event.type, rubbish).to.equal(rubbish === "220412022a00" ? "replied" : "unreadable");
    }
  });

  it("refuses a client whose id could leave a directory, and one of another protocol version", async () => {
    const { address } = await open();
    const call = join(address, metadataOf({ "perennial-client": "../x", "perennial-protocol": "1" }));
    expect(await ended(call)).to.include({ code: status.INVALID_ARGUMENT });
    const other = join(address, metadataOf({ "perennial-client": "x", "perennial-protocol": "2" }));
    expect(await ended(other)).to.include({ code: status.FAILED_PRECONDITION });
    await expectRejection(connect({ serverAddress: address, clientId: "../x" }), "argument/invalid", "../x");
  });

  it("refuses messages above the limit in both directions, naming sizes", async () => {
    const fleet = await open({ maxMessageBytes: 1000 });
    const next = following(fleet);
    const call = join(fleet.address);
    const { client } = (await next()) as { client: string };
    expect(() => {
      fleet.send(client, { type: "fit", parameters: [float32([300], new Float32Array(300))], config: {} });
    }).to.throw(/a fit instruction has 13\d\d bytes, more than the 1000/);
    const over = ended(call);
    call.write(Buffer.alloc(2000));
    expect(await over).to.include({ code: status.RESOURCE_EXHAUSTED });
    expect(await next()).to.include({ type: "left" });
  });

  it("tells its run to clients that say who they are, before the first instruction", async () => {
    const fleet = await open({ run: "r-7" });
    const next = following(fleet);
    const ann = await connect({ serverAddress: fleet.address, clientId: "ann" });
    opened.push(ann);
    await next();
    fleet.send("ann", { type: "properties", config: {} });
    await ann.instructions()[Symbol.asyncIterator]().next();
    expect(ann.run).to.equal("r-7");
  });

  it("names an address that it cannot take, and one where nobody answers", async () => {
    const fleet = await listen(local);
    await expectRejection(listen({ ...local, address: fleet.address }), "server/address", fleet.address, "EADDRINUSE");
    await fleet.close();
    await expectRejection(connect({ serverAddress: fleet.address }), "connection/refused", fleet.address);
    await (await listen({ ...local, address: fleet.address })).close();
  });

  it("gives up connecting when it is told to", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await connect({ serverAddress: "127.0.0.1:1", signal }).then(
      () => expect.fail("connected"),
      (error: unknown) => expect(error).to.have.property("message", "enough"),
    );
  });
});

async function expectRejection(promise: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).to.have.property("code", code);
  for (const word of words) expect((error as Error).message).to.contain(word);
}
