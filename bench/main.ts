// npm run bench: measures, prints a table, and with --json writes it. docs/benchmarks.md says how to read it.
// npm run bench:rounds is the same for what concerns rounds alone.
import { parseArgs } from "node:util";
import { aggregationBenchmarks } from "./src/aggregation.js";
import { commitBenchmark } from "./src/commit.js";
import { runBenchmark } from "./src/harness.js";
import type { Row } from "./src/harness.js";
import { idleBenchmark } from "./src/idle.js";
import { machine } from "./src/machine.js";
import { table, writeJson } from "./src/report.js";
import { roundBenchmarks } from "./src/rounds.js";
import { trainingBenchmarks } from "./src/training.js";

const usage = `usage: npm run bench -- [--rounds] [--only NAME] [--quick] [--repetitions N] [--json FILE]
  --rounds          only rounds and what they consist of
  --only NAME       only benchmarks whose name contains NAME
  --quick           few repetitions: to see that all runs, not to be quoted
  --repetitions N   so many interleaved repetitions of each side
  --json FILE       write [{ name, unit, ours, peer, peerName, ratio, goal, runs }]
Peers in Python are looked for in PERENNIAL_BENCH_PYTHON (interpreters, separated as in PATH), then python3.`;

interface Arguments {
  readonly rounds: boolean;
  readonly only: string;
  readonly quick: boolean;
  readonly repetitions: number | undefined;
  readonly json: string | undefined;
}

function readArguments(): Arguments {
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: { rounds: flag, only: text, quick: flag, repetitions: text, json: text },
    });
    const repetitions = values.repetitions === undefined ? undefined : Number(values.repetitions);
    if (repetitions !== undefined && !(Number.isSafeInteger(repetitions) && repetitions > 0)) {
      throw new Error(`--repetitions is a whole number from 1, not ${String(values.repetitions)}`);
    }
    return { rounds: values.rounds, only: values.only ?? "", quick: values.quick, repetitions, json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const { rounds, only, quick, repetitions, json } = readArguments();
const benchmarks = [
  ...(rounds ? [] : trainingBenchmarks("auto")),
  ...roundBenchmarks,
  ...aggregationBenchmarks,
  idleBenchmark,
  ...(rounds ? [] : [commitBenchmark]),
];
const chosen = benchmarks.filter(({ name }) => name.includes(only));
if (chosen.length === 0) {
  console.error(`no benchmark's name contains "${only}"; there are:\n${benchmarks.map(({ name }) => name).join("\n")}`);
  process.exit(2);
}

console.log(machine());
const rows: Row[] = [];
for (const benchmark of chosen) {
  process.stderr.write(`${benchmark.name} ...\n`);
  const outcome = await runBenchmark(benchmark, quick ? "quick" : "full", repetitions);
  rows.push(...outcome.rows);
  if (outcome.peerMissing !== undefined) {
    console.log(`${benchmark.name}: ${benchmark.peer.name} was not measured: ${outcome.peerMissing}`);
  }
}
console.log(`\n${table(rows)}\n\nMedians; less is better everywhere, and a ratio below 1 is in our favour.`);
if (json !== undefined) await writeJson(json, rows);
