// Runs the compiled tests and ends with one line that machines read: `N passed, N failed`.
// With arguments it runs just the files that these globs name.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { glob } from "glob";
import Mocha from "mocha";

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
const mocha = new Mocha({
  timeout: 60_000,
  reporter: process.env.CI ? "dot" : "spec",
  forbidOnly: Boolean(process.env.CI),
  // One failure is enough to catch a deliberate defect.
  bail: Boolean(process.env.MUTANT),
});
for (const file of files.sort()) {
  // Mocha would `require` the modules, which passes by the loader hook that plants deliberate defects.
  mocha.suite.emit("pre-require", globalThis, file, mocha);
  await import(pathToFileURL(resolve(file)).href);
}

const runner = mocha.run((failures) => {
  const { passes = 0, pending = 0 } = runner.stats ?? {};
  console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`);
  process.exit(failures > 0 || passes === 0 ? 1 : 0);
});
