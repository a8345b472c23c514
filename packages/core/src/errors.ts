// Errors that callers branch on: one class, and the union of all its codes.

/** Every code that Perennial throws. The prefix says which part of the world failed. */
export type ErrorCode =
  | "argument/invalid"
  | "checkpoint/corrupt"
  | "checkpoint/missing"
  | "checkpoint/name"
  | "checkpoint/newer-version"
  | "checkpoint/save-failed"
  | "checkpoint/unsupported-value"
  | "client/failed"
  | "connection/lost"
  | "connection/refused"
  | "connection/replaced"
  | "data/invalid"
  | "model/corrupt"
  | "model/external-data"
  | "model/mismatch"
  | "model/shape"
  | "model/unsupported"
  | "plan/mismatch"
  | "resume/nothing"
  | "server/address"
  | "server/clients"
  | "strategy/failed"
  | "storage/deposed"
  | "storage/directory"
  | "storage/full"
  | "storage/io"
  | "storage/locked"
  | "trainer/aborted"
  | "trainer/failed"
  | "trainer/unavailable"
  | "wire/malformed"
  | "wire/too-large"
  | "wire/unsupported";

/**
 * The world failed: a file, a peer, an input. The message says what was being done, to what, and the value;
 * `cause` keeps the error underneath. Our own mistakes are plain assertions and never this class.
 */
export class FederationError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FederationError";
    this.code = code;
  }
}

/** Whether `error` is a {@link FederationError}, of the given code when one is named. */
export function isFederationError(error: unknown, code?: ErrorCode): error is FederationError {
  return error instanceof FederationError && (code === undefined || error.code === code);
}

/** The one-line text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Fails on a mistake of our own. Nobody catches it. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
