// What a table of bad input is: in each row something wrong is done, and a person reads exactly this.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isFederationError, messageOf } from "@perennial-fl/core";
import type { ErrorCode } from "@perennial-fl/core";
import { expect } from "chai";
import { temporaryDirectory } from "../support/temporary.js";

export interface Row {
  readonly title: string;
  /** Does the wrong thing. `dir` exists and is empty. */
  readonly act: (dir: string) => unknown;
  readonly code: ErrorCode;
  /** The whole message, as {@link legible} gives it. */
  readonly message: string;
}

/** One test a row: the act must fail with this code and this message. */
export function table(subject: string, rows: readonly Row[]): void {
  describe(`bad input: ${subject}`, () => {
    for (const { title, act, code, message } of rows) {
      it(title, async () => {
        const dir = freshDirectory();
        const error = await outcome(() => act(dir));
        expect(error, "nothing was thrown").to.not.equal(undefined);
        expect(legible(messageOf(error), dir)).to.equal(message);
        expect(isFederationError(error) ? error.code : undefined).to.equal(code);
      });
    }
  });
}

/** An empty directory with a plain name. */
export function freshDirectory(): string {
  const dir = join(temporaryDirectory(), "run");
  mkdirSync(dir);
  return dir;
}

/** What the act throws; `undefined` when it succeeds. */
export async function outcome(act: () => unknown): Promise<unknown> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A text without what differs from run to run: the directory is DIR, and a port, slot, process, run or digest its name. */
export function legible(text: string, dir: string): string {
  return text
    .replaceAll(dir, "DIR")
    .replaceAll(/\b(127\.0\.0\.1|localhost):\d+/g, "$1:PORT")
    .replaceAll(/\.tmp-[0-9a-f]{16}/g, ".tmp-RANDOM")
    .replaceAll(/\bslot-[0-9a-f]{32}/g, "slot-RANDOM")
    .replaceAll(/\bprocess \d+/g, "process PID")
    .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "RUN")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "SHA256")
    .replaceAll(/(?<=CRC-32 is |and was )\d+/g, "CRC32");
}
