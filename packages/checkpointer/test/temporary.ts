// Temporary directories for tests, removed after each test.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCode, FederationError } from "@perennial-fl/core";
import { isFederationError } from "@perennial-fl/core";
import { expect } from "chai";

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "perennial-"));
  made.push(directory);
  return directory;
}

export function temporariesIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(".tmp-"));
}

/** The error of a promise that is to be rejected with a code. */
export async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<FederationError> {
  const error: unknown = await promise.then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  if (isFederationError(error, code)) return error;
  return expect.fail(`expected ${code}, not ${String(error)}`);
}
