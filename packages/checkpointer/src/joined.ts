// Contents in pieces, made one.
import type { Contents } from "./storage.js";

/** The bytes of contents, in memory of their own. */
export function joined(contents: Contents): Uint8Array {
  if (contents instanceof Uint8Array) return new Uint8Array(contents);
  const bytes = new Uint8Array(contents.reduce((length, piece) => length + piece.byteLength, 0));
  let position = 0;
  for (const piece of contents) {
    bytes.set(piece, position);
    position += piece.byteLength;
  }
  return bytes;
}
