// Plants every deliberate defect of test/mutants/ in turn and checks that its suite fails because of it.
// With arguments, only the defects whose name contains one of them; with `--tested`, the suites have just passed and are
// not run without a defect first. Ends with `N passed, N failed`.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { mutants } from "../test/dist/mutants/table.js";
import { shared } from "./shared.mjs";

const { values, positionals: wanted } = parseArgs({
  options: { tested: { type: "boolean", default: false } },
  allowPositionals: true,
});
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const mutate = new URL("./mutate.mjs", import.meta.url).href;

/** Runs a suite, with a defect if one is given, and resolves to its exit code and what it printed. */
function run(suite, mutant) {
  const planted = mutant && { NODE_OPTIONS: `--import ${mutate}`, MUTANT: JSON.stringify(mutant) };
  const child = spawn(process.execPath, ["tools/test.mjs", suite], {
    env: { ...process.env, ...planted },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

// A suite that fails by itself would seem to catch every defect.
const unproven = values.tested ? [] : new Set(chosen.map((mutant) => mutant.suite));
await shared(unproven, async (suite) => {
  const { code, output } = await run(suite);
  if (code === 0) return;
  console.log(`✗ ${suite} fails without any defect:\n${output.slice(-2000)}\n0 passed, 1 failed`);
  process.exit(1);
});

let caught = 0;
let survived = 0;
const survives = (message) => {
  survived++;
  console.log(`✗ ${message}`);
};

await shared(chosen, async (mutant) => {
  if (readFileSync(mutant.file, "utf8").split(mutant.before).length !== 2) {
    survives(`${mutant.name}: its text no longer occurs once in ${mutant.file}; bring the table up to date`);
    return;
  }
  const began = performance.now();
  const { output } = await run(mutant.suite, mutant);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const [, failures = "0"] = /passed, (\d+) failed/.exec(output) ?? [];
  // A run that ends without a verdict was not judged by its tests.
  if (Number(failures) > 0) {
    caught++;
    console.log(`✓ caught in ${seconds} s: ${mutant.name}`);
  } else {
    survives(`survived ${mutant.suite}: ${mutant.name}\n${output.slice(-1200)}`);
  }
});

console.log(`${caught} passed, ${survived} failed`);
process.exit(survived > 0 || caught === 0 ? 1 : 0);
