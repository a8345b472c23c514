// The weather of a simulation: a list of spells, each of which can be left out to see whether it mattered.
import type { DiskMood } from "../world/disk.js";
import type { NetworkMood } from "../world/network.js";

/** The server, or a client by its id. */
export type Who = string;

export const server: Who = "server";

/** How a client disappoints: `refuses` to train, sends an update that is `nan` or of a wrong `shape`, or is `slow`. */
export type Unwillingness = "nan" | "refuses" | "shape" | "slow";

/** Something that happens from `atMs`, in milliseconds from the beginning, some of it for a while. */
export type Spell =
  /** The process ends, or the machine loses its power, in the place of an answer of its disk, `calls` calls later. */
  | {
      readonly type: "crash";
      readonly how: "kill" | "power";
      readonly who: Who;
      readonly atMs: number;
      readonly calls: number;
      readonly downMs: number;
    }
  /** The process stands still, as after SIGSTOP or in a suspended laptop. */
  | { readonly type: "pause"; readonly who: Who; readonly atMs: number; readonly forMs: number }
  /** The server is stopped as its operator does it. */
  | { readonly type: "stop"; readonly atMs: number; readonly downMs: number }
  | { readonly type: "partition"; readonly who: Who; readonly atMs: number; readonly forMs: number }
  | { readonly type: "network"; readonly atMs: number; readonly forMs: number; readonly mood: Partial<NetworkMood> }
  | {
      readonly type: "disk";
      readonly who: Who;
      readonly atMs: number;
      readonly forMs: number;
      readonly mood: Partial<DiskMood>;
    }
  /** One bit of one file flips. */
  | { readonly type: "rot"; readonly who: Who; readonly atMs: number }
  | {
      readonly type: "unwilling";
      readonly who: Who;
      readonly atMs: number;
      readonly forMs: number;
      readonly how: Unwillingness;
    };

/**
 * Whether every disk keeps what it has reported as synced. Only then can what was acknowledged be kept; in other
 * weather the promise is that damage is noticed and never becomes a wrong model.
 */
export function isHonest(spells: readonly Spell[]): boolean {
  return spells.every((spell) => spell.type !== "rot" && !(spell.type === "disk" && spell.mood.lying === true));
}

/** When the last spell is over and everyone is back, in milliseconds from the beginning. */
export function clearsAtMs(spells: readonly Spell[]): number {
  return spells.reduce((latest, spell) => {
    const lasts = "forMs" in spell ? spell.forMs : "downMs" in spell ? spell.downMs : 0;
    return Math.max(latest, spell.atMs + lasts);
  }, 0);
}

/** One line for people. */
export function describeSpell(spell: Spell): string {
  const { type, atMs, ...rest } = spell;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `at ${atMs} ms: ${type}, ${details.join(", ")}`.replaceAll('"', "");
}
