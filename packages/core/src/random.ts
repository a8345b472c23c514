// Seeded randomness. A generator is derived from what it is for (seed, run, round, client), never shared as a stream,
// so that a resumed run draws what the uninterrupted one would have drawn. Not for cryptography or privacy noise.
import { assert } from "./errors.js";

/** The four words of a generator's state, as plain data. */
export type RandomState = readonly [number, number, number, number];

export interface Random {
  /** A whole number from 0 to 2^32 - 1. */
  readonly uint32: () => number;
  /** A number in [0, 1) with 53 random bits. */
  readonly float: () => number;
  /** A whole number from 0 to `limit - 1`, without modulo bias. */
  readonly below: (limit: number) => number;
  /** A standard normal number (Box and Muller 1958). */
  readonly normal: () => number;
  readonly state: () => RandomState;
}

/** A generator for one purpose: xoshiro128** (Blackman and Vigna 2018), seeded by the names and numbers given. */
export function random(...purpose: readonly (string | number | bigint)[]): Random {
  return randomFrom(seedWords(purpose.map((part) => `${typeof part}:${part}`).join("\u0000")));
}

/** The generator that continues from a saved state. */
export function randomFrom(state: RandomState): Random {
  assert(
    state.some((word) => word !== 0),
    "a generator's state is not all zero",
  );
  let [a, b, c, d] = state;
  const uint32 = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  const float = (): number => ((uint32() >>> 5) * 0x4000000 + (uint32() >>> 6)) / 0x20000000000000;
  return {
    uint32,
    float,
    below(limit) {
      assert(Number.isInteger(limit) && limit > 0 && limit <= 0x100000000, "a limit is from 1 to 2^32");
      const fair = 0x100000000 - (0x100000000 % limit);
      for (;;) {
        const drawn = uint32();
        if (drawn < fair) return drawn % limit;
      }
    },
    normal() {
      // 1 - float() is in (0, 1], so the logarithm is finite.
      return Math.sqrt(-2 * Math.log(1 - float())) * Math.cos(2 * Math.PI * float());
    },
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  };
}

/** The numbers 0 to `count - 1` in random order (Fisher and Yates). */
export function permutation(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}

/** `count` of the items, each at most once, in random order. */
export function sample<T>(items: readonly T[], count: number, random: Random): T[] {
  return Array.from(permutation(items.length, random).subarray(0, count), (index) => items[index] as T);
}

/** A gamma variate with shape `alpha` > 0 and scale 1 (Marsaglia and Tsang 2000). */
export function gamma(alpha: number, random: Random): number {
  if (alpha < 1) return gamma(alpha + 1, random) * (1 - random.float()) ** (1 / alpha);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.float()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Shares that sum to 1, drawn from a symmetric Dirichlet distribution of `count` parts. */
export function dirichlet(alpha: number, count: number, random: Random): number[] {
  const shares = Array.from({ length: count }, () => gamma(alpha, random));
  const total = shares.reduce((sum, share) => sum + share, 0);
  // For a tiny alpha every share can underflow to 0; the whole then belongs to one part.
  if (total === 0) return shares.map((_, i) => (i === 0 ? 1 : 0));
  return shares.map((share) => share / total);
}

function rotl(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Four well-mixed words from a text: FNV-1a over its UTF-16 units, then the splitmix32 finaliser per word. */
function seedWords(text: string): RandomState {
  const word = (salt: number): number => {
    let hash = 0x811c9dc5 ^ salt;
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
    hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
    return (hash ^ (hash >>> 15)) >>> 0;
  };
  return [word(0x9e3779b9), word(0x243f6a88), word(0xb7e15162), word(0xdeadbeef) | 1];
}
