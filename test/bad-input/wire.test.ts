// What arrives at the port and is no Flower: the client that sends it is named, and the server serves on.
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import { float32, memorySink } from "@perennial-fl/core";
import type { FleetEvent, Instruction } from "@perennial-fl/core";
import { connect, listen } from "@perennial-fl/transport";
import type { ListeningFleet } from "@perennial-fl/transport";
import { expect } from "chai";
import { field, message } from "./protobuf.js";

interface Row {
  readonly title: string;
  /** The answer to a fit instruction. */
  readonly answer: Buffer;
  readonly message: string;
}

/** A fit answer whose update is these files. */
const update = (tensorType: string, ...files: readonly Uint8Array[]): Buffer =>
  field(4, message(field(2, message(...files.map((file) => field(1, file)), field(2, tensorType))), field(3, 10)));

/** An .npy file with this dictionary and so many bytes of elements. */
function npy(dictionary: string, elements: number, length = dictionary.length): Buffer {
  const head = Buffer.from("\x93NUMPY\x01\x00\0\0", "latin1");
  head.writeUInt16LE(length, 8);
  return Buffer.concat([head, Buffer.from(dictionary), Buffer.alloc(elements)]);
}
const array = (descr: string, shape: string): string =>
  `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;

const rows: readonly Row[] = [
  {
    title: "nothing at all",
    answer: Buffer.alloc(0),
    message: "ClientMessage holds no answer",
  },
  {
    title: "rubbish",
    answer: Buffer.from("give me the model, please"),
    message: "ClientMessage has a field with the tag 103",
  },
  {
    title: "a message that is cut off",
    answer: update("numpy.ndarray", npy(array("<f4", "(2,)"), 8)).subarray(0, 20),
    message: "ClientMessage ends 78 bytes too early",
  },
  {
    title: "an update in another encoding",
    answer: update("torch.pickle", Buffer.from("weights")),
    message: 'fit_res.parameters has the tensor_type "torch.pickle"; only numpy.ndarray is read',
  },
  {
    title: "a file that is no .npy",
    answer: update("numpy.ndarray", Buffer.from("PK\x03\x04 an archive")),
    message: "fit_res.parameters.tensors[0] is not an .npy file: it begins with 504b03042061",
  },
  {
    title: "an array of Python objects",
    answer: update("numpy.ndarray", npy(array("|O", "(2,)"), 16)),
    message: "fit_res.parameters.tensors[0] is an array of Python objects (pickled), which are never read",
  },
  {
    title: "an array of texts",
    answer: update("numpy.ndarray", npy(array("<U8", "(2,)"), 64)),
    message: 'fit_res.parameters.tensors[0] is an array of type "<U8"',
  },
  {
    title: "a shape of a million million elements",
    answer: update("numpy.ndarray", npy(array("<f4", "(1099511627776,)"), 8)),
    message: "fit_res.parameters.tensors[0] has 8 bytes of elements, and float32[1099511627776] has 4398046511104",
  },
  {
    title: "a header that is longer than its file",
    answer: update("numpy.ndarray", npy(array("<f4", "(2,)"), 0, 5000)),
    message: "fit_res.parameters.tensors[0] ends within its .npy header",
  },
  {
    title: "a header that is Python",
    answer: update("numpy.ndarray", npy("__import__('os').system('true')", 8)),
    message: `fit_res.parameters.tensors[0] has the .npy header "__import__('os').system('true')"`,
  },
  {
    title: "a bool that is neither",
    answer: update("numpy.ndarray", Buffer.concat([npy(array("|b1", "(2,)"), 1), Buffer.of(7)])),
    message: "fit_res.parameters.tensors[0] has a bool of 7",
  },
];

const instruction: Instruction = {
  type: "fit",
  key: { run: "r", round: 1, attempt: 1, phase: "fit" },
  parameters: [float32([2], [1, 2])],
  config: {},
};

describe("bad input: on the wire", () => {
  let fleet: ListeningFleet;
  let events: AsyncIterator<FleetEvent>;

  beforeEach(async () => {
    fleet = await listen({ address: "127.0.0.1:0", openSink: memorySink, run: "r", maxMessageBytes: 10_000 });
    events = fleet.events()[Symbol.asyncIterator]();
  });

  afterEach(() => fleet.close());

  const nextEvent = async (): Promise<FleetEvent> => (await events.next()).value as FleetEvent;

  /** A client that writes what it likes. */
  const rawClient = () => {
    const identity = new Metadata();
    identity.set("perennial-client", "ada");
    identity.set("perennial-protocol", "1");
    const client = new Client(fleet.address, credentials.createInsecure());
    const same = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest("/flwr.proto.FlowerService/Join", same, same, identity);
    // How the stream ends is the server's affair; its status is looked at where it matters.
    call.on("error", () => undefined);
    const ended = new Promise<string>((resolve) => {
      call.on("status", ({ details }) => {
        resolve(details);
      });
    });
    return {
      call,
      ended,
      close: () => {
        client.close();
      },
    };
  };

  /** After all that, a client of ours is served. */
  const servesOn = async (): Promise<void> => {
    const connection = await connect({ serverAddress: fleet.address, clientId: "grace" });
    let event = await nextEvent();
    while (event.type !== "joined" || event.client !== "grace") event = await nextEvent();
    await connection.close();
  };

  for (const { title, answer, message: expected } of rows) {
    it(title, async () => {
      const { call, close } = rawClient();
      expect(await nextEvent()).to.include({ type: "joined", client: "ada" });
      fleet.send("ada", instruction);
      await once(call, "data");
      call.write(answer);
      const event = await nextEvent();
      expect(event).to.deep.equal({ type: "unreadable", client: "ada", key: instruction.key, message: expected });
      close();
      await servesOn();
    });
  }

  it("a message that is too long", async () => {
    const { call, ended, close } = rawClient();
    expect(await nextEvent()).to.include({ type: "joined" });
    fleet.send("ada", instruction);
    await once(call, "data");
    call.write(update("numpy.ndarray", npy(array("<f4", "(5000,)"), 20_000)));
    expect(await nextEvent()).to.deep.equal({ type: "left", client: "ada", message: "the connection was lost" });
    expect(await ended).to.equal("Received message larger than max (20099 vs 10000)");
    close();
    await servesOn();
  });

  it("an answer that nothing had asked for", async () => {
    const { call, ended, close } = rawClient();
    expect(await nextEvent()).to.include({ type: "joined" });
    call.write(update("numpy.ndarray", npy(array("<f4", "(2,)"), 8)));
    const message = "an answer came that nothing had asked for";
    expect(await nextEvent()).to.deep.equal({ type: "unreadable", client: "ada", message });
    expect(await nextEvent()).to.deep.equal({ type: "left", client: "ada", message });
    expect(await ended).to.equal(message);
    close();
    await servesOn();
  });

  for (const [title, bytes] of [
    ["rubbish on the socket", "\0\x01\x02 this is not HTTP/2\r\n\r\n"],
    ["a browser", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ] as const) {
    it(title, async () => {
      const socket = connectSocket(Number(fleet.address.split(":").at(-1)), "127.0.0.1");
      // Reset or closed: either way the server has hung up.
      socket.on("error", () => undefined).resume();
      socket.write(bytes);
      await once(socket, "close");
      await servesOn();
    });
  }
});
