// What attackers among the clients do to their updates, their labels and their numbers of examples.
import { float32, random, tensor } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";
import type { VirtualClient } from "../science/virtual-federation.js";

export interface Attack {
  /** Of eleven clients. */
  readonly attackers: number;
  /** What is done, in words. */
  readonly does: string;
  readonly tamper?: NonNullable<VirtualClient["tamper"]>;
  readonly claims?: number;
  readonly labels?: (dataset: Dataset) => Dataset;
}

const zip = (a: Parameters, b: Parameters, f: (x: number, y: number) => number): Parameters =>
  a.map(({ shape, data }, t) =>
    float32(
      shape,
      Float32Array.from(data as Float32Array, (x, i) => f(x, b[t]?.data[i] as number)),
    ),
  );

/** The opposite of what it learnt, so many times. */
const against =
  (times: number): NonNullable<VirtualClient["tamper"]> =>
  (trained, received) =>
    zip(trained, received, (x, w) => w - times * (x - w));

/** Trains on 9 - y in the place of y. */
function flipped({ inputs, targets }: Dataset): Dataset {
  const labels = BigInt64Array.from(targets.data as BigInt64Array, (label) => 9n - label);
  return { inputs, targets: tensor("int64", targets.shape, labels) };
}

export const attacks = {
  none: { attackers: 0, does: "all eleven are honest" },
  "sign flip": { attackers: 2, does: "two send the opposite of what they learnt, ten times", tamper: against(10) },
  noise: {
    attackers: 2,
    does: "two add standard normal noise to what they learnt",
    tamper: (trained, received, round) => {
      const draw = random("attack", round);
      return zip(trained, received, (x) => x + draw.normal());
    },
  },
  "label flip": { attackers: 2, does: "two train on 9 − y in the place of y", labels: flipped },
  "huge norm": { attackers: 1, does: "one sends the opposite a million times", tamper: against(1e6) },
  "huge weight": {
    attackers: 1,
    does: "one sends the opposite and claims a billion examples",
    tamper: against(1),
    claims: 1e9,
  },
} as const satisfies Readonly<Record<string, Attack>>;
