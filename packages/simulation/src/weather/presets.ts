// Kinds of weather, drawn from a seed with the probabilities of TigerBeetle's simulator where it has them.
import { FederationError } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";
import { server } from "./weather.js";
import type { Spell, Unwillingness, Who } from "./weather.js";

/** Draws a spell for a federation with these clients. */
type Drawn = (draw: Random, clients: readonly Who[]) => Spell;

/** Spells begin within so many milliseconds. */
const weatherMs = 20_000;

const at = (draw: Random): number => draw.below(weatherMs);
/** Short times are likelier than long ones. */
const time = (draw: Random, mostMs: number): number => Math.ceil(mostMs * draw.float() ** 2);
const anyone = (draw: Random, clients: readonly Who[]): Who => oneOf([server, server, server, ...clients], draw);
const oneOf = <T>(items: readonly T[], draw: Random): T => items[draw.below(items.length)] as T;

const crash: Drawn = (draw, clients) => ({
  type: "crash",
  how: oneOf(["kill", "power"], draw),
  who: anyone(draw, clients),
  atMs: at(draw),
  calls: draw.below(25),
  downMs: time(draw, 10_000),
});
const pause: Drawn = (draw, clients) => ({
  type: "pause",
  who: anyone(draw, clients),
  atMs: at(draw),
  forMs: time(draw, 40_000),
});
const stop: Drawn = (draw) => ({ type: "stop", atMs: at(draw), downMs: time(draw, 5_000) });
const partition: Drawn = (draw, clients) => ({
  type: "partition",
  who: oneOf(clients, draw),
  atMs: at(draw),
  forMs: time(draw, 30_000),
});
const network: Drawn = (draw) => ({
  type: "network",
  atMs: at(draw),
  forMs: time(draw, 30_000),
  mood: {
    latencyMsMax: 10 ** (1 + 2.5 * draw.float()),
    loss: 0.3 * draw.float(),
    resets: 0.1 * draw.float(),
    copies: 0.1 * draw.float(),
    echoes: 0.5 * draw.float(),
  },
});
const failingDisk: Drawn = (draw, clients) => ({
  type: "disk",
  who: anyone(draw, clients),
  atMs: at(draw),
  forMs: time(draw, 15_000),
  mood: { errors: 0.1 * draw.float() ** 2, short: 0.3 * draw.float(), latencyMsMax: 10 ** (2.5 * draw.float()) },
});
const fullDisk: Drawn = (draw, clients) => ({
  type: "disk",
  who: anyone(draw, clients),
  atMs: at(draw),
  forMs: time(draw, 15_000),
  mood: { full: true },
});
const lyingDisk: Drawn = (draw, clients) => ({
  type: "disk",
  who: anyone(draw, clients),
  atMs: at(draw),
  forMs: time(draw, 15_000),
  mood: { lying: true },
});
const rot: Drawn = (draw, clients) => ({ type: "rot", who: anyone(draw, clients), atMs: at(draw) });
const unwilling: Drawn = (draw, clients) => ({
  type: "unwilling",
  who: oneOf(clients, draw),
  atMs: at(draw),
  forMs: time(draw, 20_000),
  how: oneOf<Unwillingness>(["nan", "refuses", "shape", "slow"], draw),
});

/** The spells of each kind of weather, of which some are drawn; and about how many. */
const presets = {
  calm: { of: [], count: 0 },
  network: { of: [network, network, partition, unwilling], count: 8 },
  crashes: { of: [crash, crash, crash, stop, unwilling], count: 10 },
  pauses: { of: [pause, pause, partition, crash], count: 6 },
  disks: { of: [failingDisk, failingDisk, fullDisk, crash], count: 8 },
  storm: { of: [crash, crash, pause, stop, partition, network, failingDisk, fullDisk, unwilling], count: 12 },
  lies: { of: [lyingDisk, lyingDisk, crash, crash], count: 8 },
  rot: { of: [rot, rot, crash, network], count: 6 },
} as const satisfies Record<string, { readonly of: readonly Drawn[]; readonly count: number }>;

export type Weather = keyof typeof presets;

export const weathers = Object.keys(presets) as readonly Weather[];

/** The kind of weather that a seed has when none is asked for: mostly storm. */
export function weatherOf(draw: Random): Weather {
  return oneOf([...weathers, "storm", "storm", "storm", "crashes", "disks"], draw);
}

/** The spells of one seed, in the order of their times. Throws `argument/invalid` for a weather that there is not. */
export function drawSpells(weather: Weather, draw: Random, clients: readonly Who[]): readonly Spell[] {
  if (!Object.hasOwn(presets, weather)) {
    throw new FederationError("argument/invalid", `the weather is one of ${weathers.join(", ")}, not ${weather}`);
  }
  const { of, count } = presets[weather];
  const spells = Array.from({ length: count === 0 ? 0 : 1 + draw.below(2 * count) }, () =>
    oneOf<Drawn>(of, draw)(draw, clients),
  );
  return spells.sort((a, b) => a.atMs - b.atMs);
}
