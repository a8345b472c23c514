// Lets the weather happen: begins and ends every spell at its time, and clears everything at the end.
import type { Station, World } from "../federation/station.js";
import { soundDisk } from "../world/disk.js";
import { calmNetwork } from "../world/network.js";
import { clearsAtMs, describeSpell } from "./weather.js";
import type { Spell, Unwillingness, Who } from "./weather.js";

export interface BureauOptions {
  readonly world: World;
  readonly spells: readonly Spell[];
  readonly stations: ReadonlyMap<Who, Station>;
  /** Asks the server's operator to stop it. */
  readonly stop: () => void;
}

export class WeatherBureau {
  readonly #options: BureauOptions;
  readonly #moods = new Map<Who, Unwillingness>();
  #clear = false;

  constructor(options: BureauOptions) {
    this.#options = options;
    const { world, spells } = options;
    for (const spell of spells) {
      world.scheduler.after(spell.atMs, undefined, () => {
        world.tell("weather", describeSpell(spell));
        this.#begin(spell);
      });
    }
    world.scheduler.after(clearsAtMs(spells), undefined, () => {
      this.#clearUp();
    });
  }

  /** Whether the weather is fine for good. */
  get clear(): boolean {
    return this.#clear;
  }

  /** How a client disappoints at present. */
  moodOf(client: Who): Unwillingness | undefined {
    return this.#moods.get(client);
  }

  #begin(spell: Spell): void {
    const { world, stations, stop } = this.#options;
    const station = "who" in spell ? stations.get(spell.who) : undefined;
    switch (spell.type) {
      case "crash":
        station?.crash(spell.how, spell.calls, spell.downMs);
        return;
      case "pause":
        station?.pause(spell.forMs);
        return;
      case "stop":
        stop();
        return;
      case "partition":
        this.#during(
          spell.forMs,
          () => world.network.cut.add(spell.who),
          () => world.network.cut.delete(spell.who),
        );
        return;
      case "network":
        this.#during(
          spell.forMs,
          () => (world.network.mood = { ...world.network.mood, ...spell.mood }),
          () => (world.network.mood = calmNetwork),
        );
        return;
      case "disk":
        if (station === undefined) return;
        this.#during(
          spell.forMs,
          () => (station.disk.mood = { ...station.disk.mood, ...spell.mood }),
          () => (station.disk.mood = soundDisk),
        );
        return;
      case "rot": {
        const damaged = station?.disk.platter.rot(world.draw);
        world.tell("weather", `rot damages ${damaged ?? "nothing"}`);
        return;
      }
      case "unwilling":
        this.#during(
          spell.forMs,
          () => this.#moods.set(spell.who, spell.how),
          () => this.#moods.delete(spell.who),
        );
    }
  }

  #during(ms: number, begin: () => unknown, end: () => unknown): void {
    begin();
    this.#options.world.scheduler.after(ms, undefined, () => {
      end();
    });
  }

  #clearUp(): void {
    const { world, stations } = this.#options;
    world.tell("weather", "clears");
    this.#clear = true;
    this.#moods.clear();
    world.network.mood = calmNetwork;
    world.network.cut.clear();
    for (const station of stations.values()) {
      station.disk.mood = soundDisk;
      station.disk.trap = undefined;
      if (station.process !== undefined) world.scheduler.resume(station.process);
      station.start();
    }
  }
}
