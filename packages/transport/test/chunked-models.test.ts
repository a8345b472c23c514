// Models that come in chunks: they go on where they were interrupted, and only to clients that take chunks.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { connect as connectTcp, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { expect } from "chai";
import { float32, memorySink, sameTensor } from "@perennial-fl/core";
import type { Instruction, Parameters } from "@perennial-fl/core";
import { first, fitReply } from "../src/conformance-bench.js";
import { joinMethod, metadataOf } from "../src/grpc/service.js";
import { PartialModel, connect } from "../src/index.js";
import { encodeChunk, encodeHeld } from "../src/wire/chunks.js";
import { decodeClientMessage } from "../src/wire/client-message.js";
import { join } from "../src/wire/protobuf-writer.js";
import { decodeServerMessage, encodeAnnouncedModel, encodeInstruction } from "../src/wire/server-message.js";
import { encoded, key, servers, stageOf } from "./chunked-client.js";
import { RawCall } from "./raw-client.js";
import type { Stage } from "./raw-client.js";

const tensorOf = (count: number, scale: number) =>
  float32(
    [count],
    Float32Array.from({ length: count }, (_, i) => i / scale),
  );
const model: Parameters = [tensorOf(5000, 7), tensorOf(3, 1), tensorOf(70_000, 3)];
const question = (parameters: Parameters): Instruction => ({ type: "fit", key, parameters, config: { a: 1 } });
const openSink = () => memorySink();

/** A wire that breaks when so many bytes have come from the server; counts those. */
async function wireTo(target: string, breaksAfter: number) {
  const sockets: Socket[] = [];
  const wire = { address: "", fromServer: 0, close: (): void => undefined };
  const server = createServer((near) => {
    const far = connectTcp(Number(target.split(":")[1]), "127.0.0.1");
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => {
      const passed = bytes.subarray(0, breaksAfter - wire.fromServer);
      wire.fromServer += passed.byteLength;
      near.write(passed, () => {
        if (wire.fromServer === breaksAfter) for (const socket of [near, far]) socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  wire.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  wire.close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return wire;
}

function expectModel(instruction: Instruction, expected: Parameters): void {
  if (instruction.type !== "fit") expect.fail(instruction.type);
  expect({ ...instruction.config }).to.deep.equal({ a: 1 });
  expect(instruction.key).to.deep.equal(key);
  expect(instruction.parameters).to.have.length(expected.length);
  for (const [i, tensor] of expected.entries()) {
    expect(sameTensor(instruction.parameters[i] as Parameters[number], tensor)).to.equal(true);
  }
}

for (const kind of Object.keys(servers) as (keyof typeof servers)[]) {
  describe(`a model in chunks, from the ${kind} server,`, () => {
    let stage: Stage;
    const opened: { close(): unknown }[] = [];
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
      await stage.close();
    });

    /** A client that loses its connection on the way, and what it holds then. */
    async function interrupted(partialModel: PartialModel): Promise<number> {
      const wire = await wireTo(stage.fleet.address, 150_000);
      const ann = await connect({ serverAddress: wire.address, clientId: "ann", partialModel });
      opened.push(ann, wire);
      await stage.next("joined");
      stage.fleet.send("ann", question(model));
      const error: unknown = await first(ann).catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "connection/lost");
      await stage.next("left");
      return (await partialModel.held())?.offset ?? 0;
    }

    it("goes on where its connection was lost", async () => {
      stage = await stageOf(kind, { openSink, chunkBytes: 10_000, chunkedFromBytes: 100_000 });
      const { bytes, announced } = await encoded(model);
      const partialModel = new PartialModel();
      const held = await interrupted(partialModel);
      expect(held).to.be.greaterThan(100_000).and.at.most(150_000);
      expect(await partialModel.held()).to.deep.equal({ sha256: announced.sha256, offset: held });
      const wire = await wireTo(stage.fleet.address, Infinity);
      const ann = await connect({ serverAddress: wire.address, clientId: "ann", partialModel });
      opened.push(ann, wire);
      await stage.next("joined");
      stage.fleet.send("ann", question(model));
      expectModel(await first(ann), model);
      expect(wire.fromServer).to.be.below(bytes.byteLength - held + 10_000);
      await ann.reply(fitReply([tensorOf(3, 1)]));
      expect(await partialModel.held()).to.equal(undefined);
      await stage.next("replied");
    });

    it("is not sent again to a client whose answer was interrupted, unless that has changed it", async () => {
      stage = await stageOf(kind, { openSink, chunkBytes: 10_000, chunkedFromBytes: 100_000 });
      const partialModel = new PartialModel();
      const sent = [model[0], float32([50_000], new Float32Array(50_000))] as Parameters;
      const asked = async (): Promise<number> => {
        const wire = await wireTo(stage.fleet.address, Infinity);
        const ann = await connect({ serverAddress: wire.address, clientId: "ann", partialModel });
        await stage.next("joined");
        stage.fleet.send("ann", question(sent));
        const instruction = await first(ann);
        expectModel(instruction, sent);
        if (changes) ((instruction as { parameters: Parameters }).parameters[1] as Parameters[number]).data[7] = 1;
        wire.close();
        await stage.next("left");
        await ann.close();
        return wire.fromServer;
      };
      let changes = false;
      expect(await asked()).to.be.greaterThan(200_000);
      changes = true;
      expect(await asked()).to.be.below(1000);
      changes = false;
      expect(await asked()).to.be.greaterThan(200_000);
    });

    it("is let go when the server has another one by then", async () => {
      stage = await stageOf(kind, { openSink, chunkBytes: 10_000, chunkedFromBytes: 100_000 });
      const partialModel = new PartialModel();
      await interrupted(partialModel);
      const ann = await connect({ serverAddress: stage.fleet.address, clientId: "ann", partialModel });
      opened.push(ann);
      await stage.next("joined");
      const other = [tensorOf(60_000, 5)];
      for (const next of [other, model]) {
        stage.fleet.send("ann", question(next));
        expectModel(await first(ann), next);
        await ann.reply(fitReply([]));
        await stage.next("replied");
      }
    });

    it("may be longer than a message, there and back, for clients of ours; for others it is refused by its length", async () => {
      const lengths = { maxMessageBytes: 5000, chunkBytes: 3000 };
      stage = await stageOf(kind, { openSink, ...lengths });
      const ann = await connect({ serverAddress: stage.fleet.address, clientId: "ann", ...lengths });
      opened.push(ann);
      await stage.next("joined");
      stage.fleet.send("ann", question(model));
      expectModel(await first(ann), model);
      await ann.reply(fitReply(model));
      const { reply } = await stage.next("replied");
      expect(reply.type === "fit" && reply.update.tensors.map(({ shape }) => shape[0])).to.deep.equal([
        5000, 3, 70_000,
      ]);
      new RawCall(stage.session());
      const { client } = await stage.next("joined");
      expect(() => {
        stage.fleet.send(client, question(model));
      }).to.throw(/a fit instruction has 300\d\d\d bytes, more than the 5000 of a message/);
    });

    it("goes in one message to a client that does not take chunks", async () => {
      stage = await stageOf(kind, { openSink, chunkedFromBytes: 0 });
      for (const headers of [{}, { "perennial-client": "ann", "perennial-protocol": "1" }]) {
        const call = stage.call(headers);
        const { client } = await stage.next("joined");
        stage.fleet.send(client, { type: "fit", parameters: model, config: { a: 1 } });
        const message = await call.message();
        expect(message.equals(encodeInstruction({ type: "fit", parameters: model, config: { a: 1 } }))).to.equal(true);
      }
    });

    it("is not sent to a client that says of chunks what cannot be", async () => {
      stage = await stageOf(kind, { openSink });
      for (const [name, value] of [
        ["perennial-chunks", "0"],
        ["perennial-chunks", "many"],
        ["perennial-held", `${"a".repeat(63)}/1`],
        ["perennial-held", `${"a".repeat(64)}/-1`],
      ] as const) {
        const identity = { "perennial-client": "ann", "perennial-protocol": "1", "perennial-chunks": "9" };
        const call = stage.call({ ...identity, [name]: value });
        call.stream.end();
        const trailers = await call.ended;
        expect(trailers).to.include({ "grpc-status": "3" });
        expect(decodeURIComponent(String(trailers?.["grpc-message"])))
          .to.contain(`${name} is`)
          .and.to.contain(value);
      }
    });
  });
}

describe("a client, of a server's chunks,", () => {
  let server: Server;
  let address: string;
  let serve: (call: ServerDuplexStream<Buffer, Buffer>) => void;
  beforeEach(async () => {
    server = new Server();
    server.addService(
      { Join: joinMethod },
      {
        Join: (call: ServerDuplexStream<Buffer, Buffer>) => {
          serve(call);
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    address = `127.0.0.1:${port}`;
  });
  afterEach(() => {
    server.forceShutdown();
  });

  it("says what is wrong with them, and holds nothing of what is", async () => {
    const { bytes, announced } = await encoded([tensorOf(100, 1)]);
    const total = bytes.byteLength;
    const announce = (offset = 0, identity = announced) =>
      join(encodeAnnouncedModel({ type: "fit", parameters: [], config: {} })(identity, offset));
    const chunk = (offset: number, data: Uint8Array) => join(encodeChunk(offset, [data]));
    const wrong: [readonly Buffer[], RegExp][] = [
      [[chunk(0, bytes)], /holds a chunk of a model that nothing announced/],
      [[announce(5)], /fit_ins.parameters.offset is 5, and 0 bytes are held/],
      [[announce(total + 1)], new RegExp(`fit_ins.announced.offset is ${total + 1}, of ${total} bytes`)],
      [[announce(0, { ...announced, sha256: "ab" })], /sha256 has 1 bytes, not 32/],
      [[announce(), chunk(1, bytes.subarray(1))], /begins at 1, and 0 bytes are held/],
      [[announce(), chunk(0, bytes.subarray(0, 9)), chunk(8, bytes.subarray(8))], /begins at 8, and 9 bytes are held/],
      [[announce(), chunk(0, Buffer.concat([bytes, bytes]))], new RegExp(`begins at 0, and ${total} were announced`)],
      [[announce(), chunk(0, Buffer.alloc(total))], /fit_ins.parameters has a field with the tag 0/],
      [[announce(0, { ...announced, sha256: "ab".repeat(32) }), chunk(0, bytes)], /and (ab){32} was announced/],
      [[encodeHeld(7), encodeHeld(6)].map(join), /held.offset is 6 after 7/],
    ];
    for (const [messages, says] of wrong) {
      serve = (call) => {
        for (const message of messages) call.write(message);
      };
      const partialModel = new PartialModel();
      const ann = await connect({ serverAddress: address, clientId: "ann", partialModel });
      const error: unknown = await first(ann).catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "wire/malformed");
      expect(error).to.have.property("message").that.matches(says);
      expect(await partialModel.held()).to.equal(undefined);
      await ann.close();
    }
  });

  it("sends none to a server that does not say that it takes them", async () => {
    const heard = new Promise<Buffer>((resolve) => {
      serve = (call) => {
        call.sendMetadata(metadataOf({ "perennial-run": "r" }));
        call.write(encodeInstruction({ type: "fit", parameters: [], config: {} }));
        call.once("data", resolve);
      };
    });
    const ann = await connect({ serverAddress: address, clientId: "ann", chunkedFromBytes: 0 });
    await first(ann);
    await ann.reply(fitReply(model));
    expect(decodeClientMessage(await heard)).to.have.property("type", "fit");
    await ann.close();
  });

  it("asks for a length of chunks that makes sense", async () => {
    for (const lengths of [{ chunkBytes: 0 }, { chunkBytes: 1.5 }, { chunkBytes: 2 ** 31 }, { chunkedFromBytes: -1 }]) {
      const error: unknown = await connect({ serverAddress: address, ...lengths }).catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "argument/invalid");
      const [[name, value] = []] = Object.entries(lengths);
      expect(error).to.have.property("message").that.contains(`${name} is`).and.contains(`not ${value}`);
    }
  });

  it("understands every message that it is sent", () => {
    expect(decodeServerMessage(join(encodeHeld(2 ** 40)))).to.deep.equal({ type: "held", offset: 2 ** 40 });
  });
});
