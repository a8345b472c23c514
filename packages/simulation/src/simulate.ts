// One seed, one history: a whole federation of real servers, clients and checkpointers in virtual weather.
import { createHash } from "node:crypto";
import { random } from "@perennial-fl/core";
import { Ledger } from "./federation/ledger.js";
import { drawPlan } from "./federation/plan.js";
import type { World } from "./federation/station.js";
import { clientStation, serverStation } from "./federation/stations.js";
import { WeatherBureau } from "./weather/bureau.js";
import { drawSpells, weatherOf } from "./weather/presets.js";
import type { Weather } from "./weather/presets.js";
import { clearsAtMs, isHonest } from "./weather/weather.js";
import type { Spell } from "./weather/weather.js";
import { VirtualNetwork } from "./world/network.js";
import { Scheduler } from "./world/scheduler.js";

export interface SimulationOptions {
  readonly seed: number;
  /** Absent: drawn from the seed. */
  readonly weather?: Weather | undefined;
  /** Numbers of spells, in the order of the list, that are left out. */
  readonly without?: readonly number[];
  /** Told every line of the history. */
  readonly observe?: (line: string) => void;
}

export interface SimulationReport {
  readonly seed: number;
  readonly weather: Weather;
  readonly spells: readonly Spell[];
  /** The SHA-256 of the whole history. */
  readonly digest: string;
  /** `refused`: a disk that did not keep its word left nothing that a server could go on with, and it said so. */
  readonly outcome: "finished" | "refused" | "violated";
  readonly violations: readonly string[];
  readonly rounds: number;
  /** How many rounds began after the weather had cleared, so that progress could be judged. */
  readonly judgedRounds: number;
  readonly accepted: number;
  readonly events: number;
  readonly virtualMs: number;
}

/** Longer than any run takes once the weather is fine. */
const patienceMs = 20 * 60_000;
/** Longer than any run is at all: what comes round and round without an end has this many events. */
const mostEvents = 400_000;

/** Runs one seed to its end, or to its first violation. Throws `argument/invalid` for a weather that there is not. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const { seed, without = [] } = options;
  const weather = options.weather ?? weatherOf(random("weather", seed));
  const plan = drawPlan(random("plan", seed), seed);
  const spells = drawSpells(weather, random("spells", seed), plan.clients).filter((_, at) => !without.includes(at));
  const honest = isHonest(spells);
  const hash = createHash("sha256");
  const world = worldOf(seed, (line) => {
    hash.update(line).update("\n");
    options.observe?.(line);
  });
  const ledger: Ledger = new Ledger({
    initial: plan.model.parameters,
    momentum: plan.momentum,
    honest,
    platter: () => server.station.disk.platter,
    clear: () => bureau.clear,
  });
  const common = { world, plan, seed, ledger, honest };
  const server = serverStation(common);
  const goHome = new AbortController();
  const clients = plan.clients.map((id) =>
    clientStation({ ...common, id, mood: () => bureau.moodOf(id), goHome: goHome.signal }),
  );
  const everyone = [server.station, ...clients];
  const stations = new Map(everyone.map((station) => [station.name, station]));
  const bureau: WeatherBureau = new WeatherBureau({ world, spells, stations, stop: server.stop });
  for (const station of everyone) station.start();

  const { scheduler } = world;
  const limitMs = clearsAtMs(spells) + patienceMs;
  while (ledger.violations.length === 0 && everyone.some(({ done }) => !done)) {
    if (server.station.done) goHome.abort();
    const waitedFor = everyone.filter(({ done }) => !done).map(({ name }) => name);
    if (!(await scheduler.step())) ledger.wrong(`nothing is to come, and ${waitedFor.join(", ")} wait`);
    else if (scheduler.nowMs > limitMs || scheduler.steps > mostEvents) {
      ledger.wrong(`${waitedFor.join(", ")} had not come to an end after ${Math.round(scheduler.nowMs)} ms`);
    }
  }
  const outcome = ledger.violations.length > 0 ? "violated" : server.refused() ? "refused" : "finished";
  return {
    seed,
    weather,
    spells,
    digest: hash.digest("hex"),
    outcome,
    violations: ledger.violations,
    rounds: ledger.rounds,
    judgedRounds: ledger.roundsSince,
    accepted: ledger.accepted,
    events: scheduler.steps,
    virtualMs: scheduler.nowMs,
  };
}

function worldOf(seed: number, write: (line: string) => void): World {
  const scheduler = new Scheduler();
  const draw = random("chance", seed);
  const tell = (who: string, what: string): void => {
    write(`${scheduler.nowMs.toFixed(3)} ${who} ${what}`);
  };
  const network = new VirtualNetwork({
    scheduler,
    draw,
    tell: (what) => {
      tell("network", what);
    },
  });
  return { scheduler, network, draw, tell };
}
