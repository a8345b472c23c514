// Two hundred clients of the large round in one process that holds no model: they pass over what they are sent, and
// write their updates a block at a time. Stock clients, as far as the server can see.
import { connect } from "node:http2";
import type { ClientHttp2Stream } from "node:http2";
import { obeyParent } from "../kill/programs.js";
import { blockElements, clients, elements, modelBytes, valueOf } from "./big-model.js";

const kinds = { reconnect: 1, fit: 4 } as const;

/** A field that holds `length` bytes, up to these. */
function opened(number: number, length: number): Buffer {
  const bytes = [(number << 3) | 2];
  let left = length;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

function npyHeader(): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${elements},), }`.padEnd(117, " ") + "\n";
  const head = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0]);
  return Buffer.concat([head, Buffer.from(text, "latin1")]);
}

/** All of an answer that comes before its elements, in gRPC's frame, and what comes after them. */
function around(): readonly [Buffer, Buffer] {
  const npy = npyHeader();
  const type = Buffer.from("numpy.ndarray");
  const after = [opened(2, type.byteLength), type];
  const tensor = opened(1, npy.byteLength + modelBytes);
  const size = (pieces: readonly Buffer[]): number => pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const parametersLength = size([tensor, npy, ...after]) + modelBytes;
  const status = Buffer.concat([opened(1, 2), opened(2, 0)]);
  const numExamples = Buffer.from([0x18, 10]);
  const fit = [status, opened(2, parametersLength), tensor, npy];
  const fitLength = size([...fit, ...after, numExamples]) + modelBytes;
  const head = Buffer.concat([opened(kinds.fit, fitLength), ...fit]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(head.byteLength + modelBytes + size([...after, numExamples]), 1);
  return [Buffer.concat([frame, head]), Buffer.concat([...after, numExamples])];
}

const [before, after] = around();

async function answer(stream: ClientHttp2Stream, client: number, round: number): Promise<void> {
  const write = (bytes: Uint8Array) => new Promise((resolve) => stream.write(bytes, resolve));
  await write(before);
  for (let block = 0; block * blockElements < elements; block++) {
    await write(new Uint8Array(new Float32Array(blockElements).fill(valueOf(client, round, block)).buffer));
  }
  await write(after);
}

/** Answers every fit until the server says goodbye. */
function live(address: string, client: number): void {
  const session = connect(`http://${address}`);
  const stream = session.request({
    ":method": "POST",
    ":path": "/flwr.proto.FlowerService/Join",
    "content-type": "application/grpc",
    te: "trailers",
  });
  let round = 0;
  const heard = (kind: number): void => {
    if (kind === kinds.fit) void answer(stream, client, ++round);
    else if (kind !== kinds.reconnect) throw new Error(`an instruction of kind ${kind} was not expected`);
    else {
      stream.end();
      stream.once("close", () => {
        session.close();
      });
    }
  };
  // The frame's five bytes, and the first of the message: the number of its one field.
  let head: number[] = [];
  let message: { readonly kind: number; left: number } | undefined;
  stream.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.byteLength;) {
      if (message === undefined) {
        head.push(chunk[at++] as number);
        if (head.length < 6) continue;
        const frame = Buffer.from(head);
        message = { kind: frame.readUInt8(5) >> 3, left: frame.readUInt32BE(1) - 1 };
        head = [];
        continue;
      }
      const passed = Math.min(message.left, chunk.byteLength - at);
      at += passed;
      message.left -= passed;
      if (message.left > 0) continue;
      heard(message.kind);
      message = undefined;
    }
  });
}

const { address } = obeyParent() as { readonly address: string };
for (let client = 0; client < clients; client++) live(address, client);
