// Which spells a failure needs: leaves out one after another as long as the seed still fails.
import { simulate } from "./simulate.js";
import type { SimulationOptions, SimulationReport } from "./simulate.js";

export interface Shrunk {
  /** The numbers of the spells that the failure does not need, among those that the seed draws. */
  readonly without: readonly number[];
  /** What is left. */
  readonly report: SimulationReport;
}

/** The smallest weather found in which the seed fails. Runs the seed once for each spell that it has. */
export async function shrink(failed: SimulationReport, options: SimulationOptions): Promise<Shrunk> {
  const start = options.without ?? [];
  let [without, report] = [start, failed];
  const drawn = failed.spells.length + start.length;
  // The last ones first: what happens after the failure is not needed.
  for (let at = drawn - 1; at >= 0; at--) {
    if (without.includes(at)) continue;
    const fewer = [...without, at].sort((a, b) => a - b);
    const tried = await simulate({ ...options, weather: failed.weather, without: fewer });
    if (tried.outcome === "violated") [without, report] = [fewer, tried];
  }
  return { without, report };
}

/** The command that runs this history again. */
export function replayCommand({ seed, weather }: SimulationReport, without: readonly number[]): string {
  const left = without.length === 0 ? "" : ` --without ${without.join(",")}`;
  return `npm run simulate:seeds -- --seed ${seed} --weather ${weather}${left} --trace`;
}
