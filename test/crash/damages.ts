// Ways in which the bytes of a file go bad while it lies there.
import type { Random } from "@perennial-fl/core";

export interface Damage {
  readonly what: string;
  readonly bytes: Uint8Array;
}

const page = 4096;

/** `count` damages: a bit of each byte of the beginning, then bits anywhere, lost ends, and pages of zeros. */
export function* damages(bytes: Uint8Array, count: number, draw: Random): Generator<Damage> {
  const beginning = Math.min(bytes.byteLength, Math.floor(count / 4));
  for (let at = 0; at < beginning; at++) yield flipped(bytes, at * 8 + draw.below(8));
  for (let done = beginning; done < count; done++) {
    const kind = draw.below(10);
    if (kind < 7) yield flipped(bytes, draw.below(bytes.byteLength * 8));
    else if (kind < 9) yield cut(bytes, draw.below(bytes.byteLength));
    else yield zeroed(bytes, draw.below(bytes.byteLength));
  }
}

function flipped(bytes: Uint8Array, bit: number): Damage {
  const bad = bytes.slice();
  bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
  return { what: `bit ${bit & 7} of byte ${bit >> 3} flipped`, bytes: bad };
}

function cut(bytes: Uint8Array, length: number): Damage {
  return { what: `cut to ${length} of ${bytes.byteLength} bytes`, bytes: bytes.slice(0, length) };
}

/** The page (or what the file has of it) becomes zeros; one of zeros is given a bit instead, so that it is a damage. */
function zeroed(bytes: Uint8Array, within: number): Damage {
  const start = within - (within % page);
  const bad = bytes.slice().fill(0, start, start + page);
  if (Buffer.compare(bad, bytes) === 0) return flipped(bytes, within * 8);
  return { what: `zeros from byte ${start}`, bytes: bad };
}
