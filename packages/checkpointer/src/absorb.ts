// Digests of more bytes than a hash takes at once, or than may hold up a server.
import type { Hash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";

/** Node's hashes take less than 2 GiB in one piece. */
const mostBytes = 2 ** 30;

/** Updates a hash with all of `bytes`, at most `most` at a time; gives the hash. */
export function absorb(hash: Hash, bytes: Uint8Array, most = mostBytes): Hash {
  for (let at = 0; at < bytes.byteLength; at += most) hash.update(bytes.subarray(at, at + most));
  return hash;
}

/** What takes some 10 ms. */
const bytesOfTurn = 2 ** 24;

/** The same for all of `pieces`, which must not change meanwhile: the event loop has a turn after every `most` bytes. */
export async function absorbInTurns(hash: Hash, pieces: Iterable<Uint8Array>, most = bytesOfTurn): Promise<Hash> {
  let left = most;
  for (const piece of pieces) {
    for (let at = 0; at < piece.byteLength;) {
      const next = piece.subarray(at, at + left);
      hash.update(next);
      at += next.byteLength;
      left -= next.byteLength;
      if (left > 0) continue;
      await turn();
      left = most;
    }
  }
  return hash;
}
