// Plants every deliberate defect of test/mutants/table.ts in turn and checks that its suite fails because of it.
// With arguments, only the defects whose name contains one of them. Ends with `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mutants } from "../test/dist/mutants/table.js";

const wanted = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const mutate = new URL("./mutate.mjs", import.meta.url).href;

// A suite that fails by itself would seem to catch every defect.
for (const suite of new Set(chosen.map((mutant) => mutant.suite))) {
  const run = spawnSync(process.execPath, ["tools/test.mjs", suite], { encoding: "utf8", timeout: 600_000 });
  if (run.status === 0) continue;
  console.log(`✗ ${suite} fails without any defect:\n${run.stdout.slice(-2000)}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

let caught = 0;
const survived = [];

for (const mutant of chosen) {
  const source = readFileSync(mutant.file, "utf8");
  if (source.split(mutant.before).length !== 2) {
    survived.push(mutant.name);
    console.log(`✗ ${mutant.name}: its text no longer occurs once in ${mutant.file}; bring the table up to date`);
    continue;
  }
  const run = spawnSync(process.execPath, ["tools/test.mjs", mutant.suite], {
    encoding: "utf8",
    timeout: 300_000,
    env: { ...process.env, NODE_OPTIONS: `--import ${mutate}`, MUTANT: JSON.stringify(mutant) },
  });
  const [, failures = "0"] = /passed, (\d+) failed/.exec(run.stdout) ?? [];
  // A run that ends without a verdict was not judged by its tests.
  if (Number(failures) > 0) {
    caught++;
    console.log(`✓ caught: ${mutant.name}`);
  } else {
    survived.push(mutant.name);
    console.log(`✗ survived ${mutant.suite}: ${mutant.name}\n${run.stdout.slice(-600)}${run.stderr.slice(-600)}`);
  }
}

console.log(`${caught} passed, ${survived.length} failed`);
process.exit(survived.length > 0 || caught === 0 ? 1 : 0);
