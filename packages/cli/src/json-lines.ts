// Events as lines of JSON, one object a line.
import type { Metrics } from "@perennial-fl/core";

/** What is said beside the server's and the client's own events. */
export type CommandEvent =
  /** Clients can connect to this address. */
  | { readonly type: "listening"; readonly address: string }
  | { readonly type: "state-directory-created"; readonly path: string }
  /** Always the last line. */
  | { readonly type: "error"; readonly code: string; readonly message: string; readonly exitCode: number };

/**
 * One event as one line, its time in front. Values that JSON lacks become: NaN and infinities their names, bytes
 * hexadecimal text, a bigint a number if it is a safe one and text if not. What was thrown is left out: `code` and
 * `message` say it.
 */
export function jsonLine(event: { readonly type: string }, time: Date): string {
  return JSON.stringify({ time: time.toISOString(), ...event }, plain);
}

function plain(key: string, value: unknown): unknown {
  if (key === "error") return undefined;
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return isFloat(value) ? plain("", value.float) : value;
}

function isFloat(value: unknown): value is Extract<Metrics[string], { readonly float: number }> {
  return typeof value === "object" && value !== null && Object.keys(value).join() === "float";
}
