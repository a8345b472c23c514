// Directories that tests write to, removed when the process ends.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A fresh, empty directory on a real disk. */
export function temporaryDirectory(): string {
  return directoryIn(tmpdir());
}

/** A fresh, empty directory in memory where the system has one: for many sessions in which the process does not die. */
export function quickDirectory(): string {
  return directoryIn(existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
}

function directoryIn(parent: string): string {
  const directory = mkdtempSync(join(parent, "perennial-test-"));
  made.push(directory);
  return directory;
}

process.on("exit", () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});
