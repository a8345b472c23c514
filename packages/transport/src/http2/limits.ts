// What the streaming server grants its clients: bytes, times and rates.
import { defaultPartialLimits } from "../chunks/limits.js";
import type { PartialLimits } from "../chunks/limits.js";

export interface StreamingLimits extends PartialLimits {
  /** Updates that flow to their sinks at once; other clients' wait in the network. Default 4. */
  readonly uploads: number;
  /** A message up to this long is received without waiting for its turn. Default 64 KiB. */
  readonly smallMessageBytes: number;
  /** What may arrive of a message before it is read: while its upload flows. Default 1 MiB. */
  readonly windowBytes: number;
  /** The model is sent this many bytes at a time; the next go when these have gone. Default 256 KiB. */
  readonly sendBytes: number;
  /** How long a client may let us wait in mid-message, in either direction, beyond a rate of 1 KiB a second. Default 60 s. */
  readonly stallMs: number;
  /** How long a connection may have no call. Default 60 s. */
  readonly idleMs: number;
  /** Silent connections are asked whether they live; routers drop them after 4 minutes. Default 210 s. */
  readonly keepaliveMs: number;
  /** How long the answer to that may take. Default 20 s. */
  readonly keepaliveTimeoutMs: number;
  /** How long calls that have been ended may take to say so to their clients. Default 1 s. */
  readonly farewellMs: number;
  /** Calls, and pings, of one connection in a row; 1 a second is allowed after that. A client needs one call. Default 100. */
  readonly burst: number;
}

export const defaultLimits: StreamingLimits = {
  ...defaultPartialLimits,
  uploads: 4,
  smallMessageBytes: 2 ** 16,
  windowBytes: 2 ** 20,
  sendBytes: 2 ** 18,
  stallMs: 60_000,
  idleMs: 60_000,
  keepaliveMs: 210_000,
  keepaliveTimeoutMs: 20_000,
  farewellMs: 1_000,
  burst: 100,
};

/** A client that sends or takes at least this fast is never called stalled. */
export const leastBytesPerMs = 1.024;
