// Runs the compiled tests and ends with one line that machines read: `N passed, N failed`.
// With arguments it runs just those files.
import { glob } from "glob";
import Mocha from "mocha";

// Telemetry of onnxruntime is switched off by the trainer itself; `CI` would hide it if that broke.
const patterns = process.argv.slice(2);
const files = await glob(
  patterns.length > 0 ? patterns : ["packages/*/dist/test/**/*.test.js", "test/dist/**/*.test.js"],
);
const mocha = new Mocha({
  timeout: 60_000,
  reporter: process.env.CI ? "dot" : "spec",
  forbidOnly: Boolean(process.env.CI),
});
for (const file of files.sort()) mocha.addFile(file);
await mocha.loadFilesAsync();

const runner = mocha.run((failures) => {
  const { passes = 0, pending = 0 } = runner.stats ?? {};
  console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`);
  process.exit(failures > 0 || passes === 0 ? 1 : 0);
});
