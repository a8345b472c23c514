// Encoded parameters as a sender of chunks has them: their digest, and any stretch of their bytes.
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Announced } from "../wire/chunks.js";
import { lengthOfPieces } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";

/** So much is hashed in one turn of the event loop. */
const hashBytes = 2 ** 22;

/** What is to be said of parameters before their chunks. */
export async function announcedOf(pieces: Pieces): Promise<Announced> {
  const hash = createHash("sha256");
  for (const { bytes } of stretches(pieces, 0, hashBytes)) {
    for (const piece of bytes) hash.update(piece);
    await setImmediate();
  }
  return { sha256: hash.digest("hex"), byteLength: lengthOfPieces(pieces) };
}

/** The bytes from `offset` on, in stretches of `most` as views of the pieces, each with where it begins. */
export function* stretches(
  pieces: Pieces,
  offset: number,
  most: number,
): Generator<{ readonly offset: number; readonly bytes: Pieces }, void, undefined> {
  let passed = 0;
  let bytes: Uint8Array[] = [];
  let [begin, length] = [offset, 0];
  for (const piece of pieces) {
    for (let at = Math.max(offset - passed, 0); at < piece.byteLength;) {
      const part = piece.subarray(at, at + most - length);
      bytes.push(part);
      at += part.byteLength;
      length += part.byteLength;
      if (length < most) continue;
      yield { offset: begin, bytes };
      begin += length;
      [bytes, length] = [[], 0];
    }
    passed += piece.byteLength;
  }
  if (length > 0) yield { offset: begin, bytes };
}
