// The natural partition: whoever has a key has all of its examples.
import { FederationError } from "@perennial-fl/core";
import type { Part } from "./partition.js";

/** One client a key, in the order of the keys' names; with fewer clients, whole keys are dealt so that sizes come out even. */
export function byKey(keys: readonly string[], clients: number | undefined): readonly Part[] {
  const members = new Map<string, number[]>();
  keys.forEach((key, example) => {
    const held = members.get(key);
    if (held === undefined) members.set(key, [example]);
    else held.push(example);
  });
  const names = [...members.keys()].sort();
  const wanted = clients ?? names.length;
  if (wanted > names.length) {
    const message = `${names.length} keys cannot be divided among ${wanted} clients: a key is never divided`;
    throw new FederationError("argument/invalid", message);
  }
  const size = (held: readonly string[]): number => held.reduce((sum, key) => sum + (members.get(key)?.length ?? 0), 0);
  const dealt = Array.from({ length: wanted }, (): string[] => []);
  if (wanted === names.length) {
    names.forEach((key, client) => dealt[client]?.push(key));
  } else {
    // The largest first, each to whoever has the least so far.
    for (const key of [...names].sort((a, b) => size([b]) - size([a]))) {
      dealt.reduce((least, other) => (size(other) < size(least) ? other : least)).push(key);
    }
  }
  return dealt.map((held) => ({
    keys: held.sort(),
    examples: Uint32Array.from(held.flatMap((key) => members.get(key) ?? [])).sort(),
  }));
}
