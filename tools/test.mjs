// Runs the compiled tests and ends with one line that machines read: `N passed, N failed`.
// With arguments it runs just the files that these globs name. Many files are shared out among processes.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { glob } from "glob";
import Mocha from "mocha";
import { shared } from "./shared.mjs";

const patterns = process.argv.slice(2);
const files = await glob(
  patterns.length > 0
    ? patterns
    : [
        "packages/*/dist/test/**/*.test.js",
        "examples/*/dist/test/**/*.test.js",
        "test/dist/**/*.test.js",
        "bench/dist/test/**/*.test.js",
      ],
);
files.sort();

// Small enough that the processors end together, and large enough that starting a process does not count.
const filesOfShare = 25;
const shares = Math.ceil(files.length / filesOfShare);
if (shares > 1 && availableParallelism() > 1) await runShares();
else await runHere();

async function runHere() {
  const mocha = new Mocha({
    // A defect may leave a test waiting; none of those that catch them takes long by itself.
    timeout: process.env.MUTANT ? 20_000 : 60_000,
    reporter: process.env.CI ? "dot" : "spec",
    forbidOnly: Boolean(process.env.CI),
    // One failure is enough to catch a deliberate defect.
    bail: Boolean(process.env.MUTANT),
  });
  for (const file of files) {
    // Mocha would `require` the modules, which passes by the loader hook that plants deliberate defects.
    mocha.suite.emit("pre-require", globalThis, file, mocha);
    await import(pathToFileURL(resolve(file)).href);
  }
  const runner = mocha.run((failures) => {
    const { passes = 0, pending = 0 } = runner.stats ?? {};
    conclude({ passed: passes, failed: failures, skipped: pending });
  });
}

async function runShares() {
  const total = { passed: 0, failed: 0, skipped: 0 };
  // What failed is printed last, where it is looked for.
  const failing = [];
  await shared(Array(shares).keys(), async (share) => {
    const own = files.filter((_, index) => index % shares === share);
    const { output, verdict } = await runProcess(own);
    total.passed += verdict.passed;
    total.failed += verdict.failed;
    total.skipped += verdict.skipped;
    if (verdict.failed > 0) failing.push(output);
    else console.log(output);
  });
  for (const output of failing) console.log(output);
  conclude(total);
}

/** A process that ends without a verdict counts as one failure. */
async function runProcess(own) {
  const color = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(process.execPath, [process.argv[1], ...own], {
    env: { ...process.env, ...color },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((done) => child.once("close", done));
  const verdict = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n$/m.exec(output);
  if (verdict === null) {
    return {
      output: `${output}\nended with ${code} and no verdict: ${own.join(" ")}`,
      verdict: { passed: 0, failed: 1, skipped: 0 },
    };
  }
  const [line, passed, failed, skipped = 0] = verdict;
  return {
    output: output.slice(0, verdict.index) + output.slice(verdict.index + line.length),
    verdict: { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) },
  };
}

function conclude({ passed, failed, skipped }) {
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  // Nothing found is a failure; what was skipped has said so.
  process.exit(failed > 0 || passed + skipped === 0 ? 1 : 0);
}
