// The reliability scorecard: runs the suites that prove what is promised of durability, and prints what they found
// beside what is wanted. `--long` takes an hour instead of minutes, `--only NAME` runs one suite and its rows, `--without
// NAME` all others, `--write` writes docs/scorecard.md. Ends with `N passed, N failed`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { rows, suites } from "./scorecard-rows.mjs";
import { shared } from "./shared.mjs";

const flag = { type: "boolean", default: false };
const { values } = parseArgs({
  options: { long: flag, write: flag, only: { type: "string" }, without: { type: "string" } },
});
const { long, write, only, without } = values;

const all = suites(long);
const chosen = Object.keys(all).filter((name) => name !== without && (only === undefined || name === only));
if (chosen.length === 0) {
  console.error(`there is no suite "${only}", only ${Object.keys(all).join(", ")}`);
  process.exit(2);
}
if (write && (only ?? without) !== undefined) {
  console.error("--write wants all suites");
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), "perennial-scorecard-"));
const found = new Map();
const take = async (name) => found.set(name, await run(name, all[name]));
const together = chosen.filter((name) => !all[name].alone);
await shared(together, take);
for (const name of chosen) if (all[name].alone) await take(name);
rmSync(directory, { recursive: true });

/** Runs compiled tests and gives whether they passed, their figures, and what they printed. */
async function run(name, { globs, env }) {
  const path = join(directory, `${name}.jsonl`);
  writeFileSync(path, "");
  const began = performance.now();
  const child = spawn(process.execPath, ["tools/test.mjs", ...globs], {
    env: { ...process.env, ...env, FIGURES: path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  await new Promise((resolve) => child.once("close", resolve));
  const [, passed = 0, failed = 1] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
  const seconds = Math.round((performance.now() - began) / 1000);
  const ok = Number(failed) === 0 && Number(passed) > 0;
  console.log(`${ok ? "✓" : "✗"} ${name}: ${passed} passed, ${failed} failed in ${seconds} s`);
  if (!ok) console.log(output.slice(-4000));
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return { ok, output, figures: lines.map((line) => JSON.parse(line)) };
}

const judged = rows(long)
  .filter(({ needs }) => needs.every((name) => found.has(name)))
  .map(({ number, what, goal, needs, judge }) => {
    const results = needs.map((name) => found.get(name));
    const { figure, met } = judge(...results);
    return { number, what, figure, goal, met: met && results.every(({ ok }) => ok) };
  });
const table = [
  "| row | what | found | wanted | |",
  "| --- | --- | --- | --- | --- |",
  ...judged.map(
    ({ number, what, figure, goal, met }) => `| ${number} | ${what} | ${figure} | ${goal} | ${met ? "✓" : "✗"} |`,
  ),
];
console.log(table.join("\n"));
if (write) {
  const head = [
    "# Reliability scorecard",
    "",
    `Written by \`npm run scorecard -- --write${long ? " --long" : ""}\` on Node ${process.versions.node}, ${process.platform}, ${cpus().length} cores. What the rows`,
    "prove, and what not, stands in [durability.md](durability.md). Rows that are missing have no suite here.",
  ];
  writeFileSync("docs/scorecard.md", [...head, "", ...table, ""].join("\n"));
}
const missed = judged.filter(({ met }) => !met).length;
console.log(`${judged.length - missed} passed, ${missed} failed`);
process.exit(missed > 0 ? 1 : 0);
