// Schemas of stored things: a whole number from 1, which counts up when older programs could misread what is written.
import { FederationError } from "./errors.js";

/**
 * The schema that a stored thing names, which `what` names in errors. Throws `checkpoint/corrupt` if `found` is none,
 * and `checkpoint/newer-version` if it is later than `known`, the last one that this version reads.
 */
export function checkedSchema(found: unknown, known: number, what: string): number {
  if (typeof found !== "number" || !Number.isSafeInteger(found) || found < 1) {
    const text = typeof found === "string" ? JSON.stringify(found) : String(found);
    throw new FederationError("checkpoint/corrupt", `${what} is damaged: its schema is ${text}`);
  }
  if (found > known) {
    throw new FederationError(
      "checkpoint/newer-version",
      `${what} has schema ${found}, and this version of Perennial reads schemas up to ${known}: use a newer version`,
    );
  }
  return found;
}
