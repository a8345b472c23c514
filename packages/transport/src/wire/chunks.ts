// How parameters travel in chunks between our own peers: fields of Flower's messages that no other peer is ever sent.
import type { FederationError } from "@perennial-fl/core";
import { bytesIn, fieldsOf, malformed, safeIntegerIn } from "./protobuf-reader.js";
import type { Field } from "./protobuf-reader.js";
import { bytesField, varintField } from "./protobuf-writer.js";
import type { Pieces } from "./protobuf-writer.js";

/** Field numbers far from Flower's own, in `proto/perennial/chunks.proto` too. */
export const chunkFields = { announced: 1001, chunk: 1001, held: 1002 } as const;

/** What identifies encoded parameters (flwr.proto.Parameters) that come in chunks. */
export interface Announced {
  /** Of all the encoded bytes; 64 hexadecimal digits. */
  readonly sha256: string;
  readonly byteLength: number;
}

/** The field that stands where parameters would. `offset` is where the first chunk begins. */
export function announcedField({ sha256, byteLength }: Announced, offset = 0): Pieces {
  return bytesField(chunkFields.announced, [
    ...bytesField(1, [Buffer.from(sha256, "hex")]),
    ...varintField(2, BigInt(byteLength)),
    ...varintField(3, BigInt(offset)),
  ]);
}

/** Throws `wire/malformed` for what announces nothing that could come. */
export function readAnnounced(field: Field, name: string): Announced & { readonly offset: number } {
  let sha256 = "";
  let [byteLength, offset] = [0, 0];
  for (const part of fieldsOf(bytesIn(field, name), name)) {
    if (part.number === 1) sha256 = Buffer.from(bytesIn(part, `${name}.sha256`)).toString("hex");
    else if (part.number === 2) byteLength = safeIntegerIn(part, `${name}.byte_length`);
    else if (part.number === 3) offset = safeIntegerIn(part, `${name}.offset`);
  }
  if (sha256.length !== 64) throw malformed(`${name}.sha256`, `has ${sha256.length / 2} bytes, not 32`);
  if (byteLength < 0) throw malformed(`${name}.byte_length`, `is ${byteLength}`);
  if (offset < 0 || offset > byteLength) throw malformed(`${name}.offset`, `is ${offset}, of ${byteLength} bytes`);
  return { sha256, byteLength, offset };
}

/** How long a message with a chunk of `chunkBytes` may be. */
export function longestChunkMessage(chunkBytes: number): number {
  // Three tags, two lengths and an offset.
  return chunkBytes + 64;
}

/** A message, of either side, that holds the bytes from `offset` on and nothing else. */
export function encodeChunk(offset: number, bytes: Pieces): Pieces {
  return bytesField(chunkFields.chunk, [...varintField(1, BigInt(offset)), ...bytesField(2, bytes)]);
}

/** The chunk in a message from {@link encodeChunk}; `data` is a view. Throws `wire/malformed` for any other message. */
export function chunkIn(message: Uint8Array): { readonly offset: number; readonly data: Uint8Array } {
  const [field, ...others] = fieldsOf(message, "ClientMessage");
  if (field?.number !== chunkFields.chunk || others.length > 0) throw noChunk();
  return readChunk(field);
}

export function readChunk(field: Field): { readonly offset: number; readonly data: Uint8Array } {
  let offset = 0;
  let data: Uint8Array = new Uint8Array();
  for (const part of fieldsOf(bytesIn(field, "chunk"), "chunk")) {
    if (part.number === 1) offset = safeIntegerIn(part, "chunk.offset");
    else if (part.number === 2) data = bytesIn(part, "chunk.data");
  }
  return { offset, data };
}

export function noChunk(): FederationError {
  return malformed("ClientMessage", "is another message where a chunk was announced");
}

/** The server's message that says how many bytes of an announced update it holds. */
export function encodeHeld(offset: number): Pieces {
  return bytesField(chunkFields.held, varintField(1, BigInt(offset)));
}

/** Reads what {@link encodeHeld} wrote. */
export function readHeld(field: Field): number {
  let offset = 0;
  for (const part of fieldsOf(bytesIn(field, "held"), "held")) {
    if (part.number === 1) offset = safeIntegerIn(part, "held.offset");
  }
  return offset;
}
