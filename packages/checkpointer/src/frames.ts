// How the records of a log lie in its file, and what of a damaged file can be trusted.
//
// A record is: its length (u32), the CRC-32 of its bytes (u32), the CRC-32 of these eight bytes (u32), its bytes; all
// little-endian. Each CRC goes on from the record before, so that a record missing in the middle is found too.
import { crc32 } from "node:zlib";

const headerLength = 12;
const sector = 512;

/** Joins frames one after another: each needs the checksum that the one before it ended with. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

export function frame(record: Uint8Array, checksumBefore: number): Frame {
  const bytes = new Uint8Array(headerLength + record.byteLength);
  const view = new DataView(bytes.buffer);
  const checksum = crc32(record, checksumBefore);
  view.setUint32(0, record.byteLength, true);
  view.setUint32(4, checksum, true);
  view.setUint32(8, crc32(bytes.subarray(0, 8), checksumBefore), true);
  bytes.set(record, headerLength);
  return { bytes, checksum };
}

export interface ParsedLog {
  readonly records: readonly Uint8Array[];
  /** The checksum that the next frame goes on from. */
  readonly checksum: number;
  /** Bytes of the whole records. */
  readonly byteLength: number;
  /** What follows the last whole record. `torn`: the remains of an append that was never acknowledged. */
  readonly tail: "none" | "torn" | "damaged";
}

/**
 * The records of a log's file. A torn append leaves the file too short or with sectors of zeros at its end; damage of
 * any other kind is not explained by a crash, and could be the loss of a record that was acknowledged.
 */
export function parseLog(file: Uint8Array): ParsedLog {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: Uint8Array[] = [];
  let checksum = 0;
  let at = 0;
  const end = (tail: ParsedLog["tail"]): ParsedLog => ({ records, checksum, byteLength: at, tail });
  while (at < file.byteLength) {
    if (at + headerLength > file.byteLength) return end("torn");
    const length = view.getUint32(at, true);
    if (view.getUint32(at + 8, true) !== crc32(file.subarray(at, at + 8), checksum)) {
      return end(hasZeroSector(file, at, file.byteLength) ? "torn" : "damaged");
    }
    const next = at + headerLength + length;
    if (next > file.byteLength) return end("torn");
    const record = file.slice(at + headerLength, next);
    if (crc32(record, checksum) !== view.getUint32(at + 4, true)) {
      return end(next === file.byteLength && hasZeroSector(file, at, next) ? "torn" : "damaged");
    }
    checksum = view.getUint32(at + 4, true);
    records.push(record);
    at = next;
  }
  return end("none");
}

/** Whether the part of some sector that lies between `from` and `to` is all zeros. */
function hasZeroSector(file: Uint8Array, from: number, to: number): boolean {
  for (let start = from; start < to; start = (Math.floor(start / sector) + 1) * sector) {
    const stop = Math.min((Math.floor(start / sector) + 1) * sector, to);
    if (file.subarray(start, stop).every((byte) => byte === 0)) return true;
  }
  return false;
}
