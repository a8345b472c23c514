// Directories that tests write to, removed when the process ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A fresh, empty directory. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "perennial-test-"));
  made.push(directory);
  return directory;
}

process.on("exit", () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});
