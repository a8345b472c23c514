// Digests of more bytes than a hash takes at once.
import type { Hash } from "node:crypto";

/** Node's hashes take less than 2 GiB in one piece. */
const mostBytes = 2 ** 30;

/** Updates a hash with all of `bytes`, at most `most` at a time; gives the hash. */
export function absorb(hash: Hash, bytes: Uint8Array, most = mostBytes): Hash {
  for (let at = 0; at < bytes.byteLength; at += most) hash.update(bytes.subarray(at, at + most));
  return hash;
}
