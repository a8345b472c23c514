// gRPC's framing: a flag and a length in front of each message.
import { statusCodes } from "../peers.js";
import type { CallStatus } from "../peers.js";
import type { ByteSource } from "./byte-source.js";
import { Interrupted } from "./byte-source.js";

const headerBytes = 5;

/** The header of an uncompressed message. */
export function frameHeader(length: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(length, 1);
  return header;
}

/** The length of the next message, or nothing at the end of the stream. Throws {@link Interrupted} within a header. */
export async function nextLength(
  source: ByteSource,
  maxMessageBytes: number,
): Promise<number | CallStatus | undefined> {
  const header = Buffer.alloc(headerBytes);
  for (let filled = 0; filled < headerBytes;) {
    const bytes = await source.some(headerBytes - filled);
    if (bytes === undefined && filled === 0) return undefined;
    if (bytes === undefined) throw new Interrupted("the header of a message broke off");
    if (filled === 0) source.messageBegins();
    filled += bytes.copy(header, filled);
  }
  const [flag, length] = [header.readUInt8(0), header.readUInt32BE(1)];
  if (flag !== 0) {
    const details = flag === 1 ? "a compressed message came without a grpc-encoding" : `a message has the flag ${flag}`;
    return { code: statusCodes.INTERNAL, details };
  }
  if (length <= maxMessageBytes) return length;
  const details = `a message of ${length} bytes came, and at most ${maxMessageBytes} are received`;
  return { code: statusCodes.RESOURCE_EXHAUSTED, details };
}
