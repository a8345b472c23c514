// Runs federations in virtual weather, seed by seed, and ends with one row. A seed that fails is shrunk to the spells
// that it needs, and printed with the command that runs it again.
// --seeds N (200), --from FIRST (1); --seed S for one, with --weather W, --without 2,5 and --trace.
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { describeSpell, replayCommand, shrink, simulate } from "@perennial-fl/simulation";

const text = { type: "string" };
const { values } = parseArgs({
  options: { seeds: text, from: text, seed: text, weather: text, without: text, trace: { type: "boolean" } },
});
const without = (values.without ?? "").split(",").filter(Boolean).map(Number);
const first = Number(values.seed ?? values.from ?? 1);
const count = values.seed === undefined ? Number(values.seeds ?? 200) : 1;
const observe = values.trace ? (line) => console.log(line) : undefined;

const began = performance.now();
const tally = { seeds: 0, finished: 0, refused: 0, violated: 0, events: 0, virtualHours: 0, accepted: 0, judged: 0 };
for (let seed = first; seed < first + count; seed++) {
  const options = { seed, weather: values.weather, without };
  const report = await simulate({ ...options, ...(observe && { observe }) });
  tally.seeds++;
  tally[report.outcome]++;
  tally.events += report.events;
  tally.accepted += report.accepted;
  tally.virtualHours += report.virtualMs / 3_600_000;
  if (report.judgedRounds >= 2) tally.judged++;
  if (values.seed !== undefined)
    console.log(`seed ${seed}, ${report.weather}: ${report.outcome}, digest ${report.digest}`);
  if (report.outcome === "violated") await explain(report, options);
}

async function explain(report, options) {
  console.log(`✗ seed ${report.seed} (${report.weather}): ${report.violations.join("; ")}`);
  const shrunk = await shrink(report, options);
  console.log(`  it needs: ${shrunk.report.violations.join("; ")}`);
  for (const spell of shrunk.report.spells) console.log(`    ${describeSpell(spell)}`);
  console.log(`  ${replayCommand(report, shrunk.without)}`);
}

const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  `${tally.seeds} seeds in ${seconds} s: ${tally.finished} finished, ${tally.refused} refused by servers whose disks had not kept their word, ` +
    `${tally.violated} violations; ${tally.events} events, ${tally.virtualHours.toFixed(1)} hours of virtual time, ` +
    `${tally.accepted} results accepted; progress after the weather judged in ${tally.judged}`,
);
process.exit(tally.violated > 0 ? 1 : 0);
