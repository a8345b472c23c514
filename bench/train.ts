// npm run bench:train: train steps side by side with PyTorch's and TensorFlow.js's, in one run. docs/benchmarks.md says how to read it.
import { parseArgs } from "node:util";
import { runBenchmark } from "./src/harness.js";
import type { Row } from "./src/harness.js";
import { machine } from "./src/machine.js";
import { table, writeJson } from "./src/report.js";
import { trainingBenchmarks } from "./src/training.js";

const usage = `usage: npm run bench:train -- [--only NAME] [--plain] [--quick] [--json FILE]
  --only NAME   only models whose title contains NAME
  --plain       our side without lowerings
  --quick       few repetitions: to see that all runs, not to be quoted
  --json FILE   write [{ name, unit, ours, peer, peerName, ratio, runs }]
PyTorch is looked for in PERENNIAL_BENCH_PYTHON (interpreters, separated as in PATH), then python3; TensorFlow.js in the
node_modules of the directory PERENNIAL_BENCH_TFJS.`;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", default: "" },
        plain: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        json: { type: "string" },
      },
    });
    return values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const { only, plain, quick, json } = readArguments();
console.log(machine());
const rows: Row[] = [];
for (const benchmark of trainingBenchmarks(plain ? "none" : "auto").filter(({ name }) => name.includes(only))) {
  process.stderr.write(`${benchmark.name} ...\n`);
  const outcome = await runBenchmark(benchmark, quick ? "quick" : "full");
  rows.push(...outcome.rows);
  if (outcome.peerMissing !== undefined) {
    console.log(`${benchmark.name}: ${benchmark.peer.name} was not measured: ${outcome.peerMissing}`);
  }
}
console.log(`\n${table(rows)}\n\nMedians; less is better, and a ratio below 1 is in our favour.`);
if (json !== undefined) await writeJson(json, rows);
