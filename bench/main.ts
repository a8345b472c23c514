// npm run bench: measures, prints a table, and with --json writes it. docs/benchmarks.md says how to read it.
import { parseArgs } from "node:util";
import { commitBenchmark } from "./src/commit.js";
import { runBenchmark } from "./src/harness.js";
import type { Row } from "./src/harness.js";
import { machine } from "./src/machine.js";
import { table, writeJson } from "./src/report.js";
import { roundBenchmarks } from "./src/rounds.js";
import { trainStepBenchmarks } from "./src/train-step.js";

const usage = `usage: npm run bench -- [--only NAME] [--quick] [--json FILE]
  --only NAME   only benchmarks whose name contains NAME
  --quick       few repetitions: to see that all runs, not to be quoted
  --json FILE   write [{ name, unit, ours, peer, peerName, ratio, runs }]
Peers in Python are looked for in PERENNIAL_BENCH_PYTHON (interpreters, separated as in PATH), then python3.`;

const benchmarks = [...trainStepBenchmarks, ...roundBenchmarks, commitBenchmark];

function readArguments(): { only: string; quick: boolean; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: { only: { type: "string" }, quick: { type: "boolean" }, json: { type: "string" } },
    });
    return { only: values.only ?? "", quick: values.quick ?? false, json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const { only, quick, json } = readArguments();
const chosen = benchmarks.filter(({ name }) => name.includes(only));
if (chosen.length === 0) {
  console.error(`no benchmark's name contains "${only}"; there are:\n${benchmarks.map(({ name }) => name).join("\n")}`);
  process.exit(2);
}

console.log(machine());
const rows: Row[] = [];
for (const benchmark of chosen) {
  process.stderr.write(`${benchmark.name} ...\n`);
  const outcome = await runBenchmark(benchmark, quick ? "quick" : "full");
  rows.push(...outcome.rows);
  if (outcome.peerMissing !== undefined) {
    console.log(`${benchmark.name}: ${benchmark.peer.name} was not measured: ${outcome.peerMissing}`);
  }
}
console.log(`\n${table(rows)}\n\nMedians; less is better everywhere, and a ratio below 1 is in our favour.`);
if (json !== undefined) await writeJson(json, rows);
