// What servers and clients say to each other, in Flower's words and free of any wire format.
import type { Parameters } from "./tensor.js";

/**
 * A value of a configuration or of metrics. On Flower's wire a whole `number` travels as an integer and another as a
 * double; a `bigint` as an integer; {@link float} makes a double of a whole number, for peers that insist on one.
 */
export type Scalar = boolean | number | bigint | string | Uint8Array | Float;

/** A number that is a double on the wire even when it is whole. */
export interface Float {
  readonly float: number;
}

export function float(value: number): Float {
  return { float: value };
}

/** The number of a scalar, or `undefined` when it is not one. A bigint is rounded to the nearest double. */
export function numberOf(scalar: Scalar | undefined): number | undefined {
  if (typeof scalar === "number") return scalar;
  if (typeof scalar === "bigint") return Number(scalar);
  return typeof scalar === "object" && "float" in scalar ? scalar.float : undefined;
}

export type Config = { readonly [key: string]: Scalar };
export type Metrics = { readonly [key: string]: Scalar };

export type Phase = "fit" | "evaluate";

/** Names one question of one run: the key under which an answer is stored, and counted at most once. */
export interface RequestKey {
  readonly run: string;
  /** From 1. */
  readonly round: number;
  /** From 1. A round that is opened anew under the same number, with other questions, counts up. */
  readonly attempt: number;
  readonly phase: Phase;
}

export function sameKey(a: RequestKey, b: RequestKey): boolean {
  return a.run === b.run && a.round === b.round && a.attempt === b.attempt && a.phase === b.phase;
}

/** `run/3/1/fit`. */
export function keyText(key: RequestKey): string {
  return `${key.run}/${key.round}/${key.attempt}/${key.phase}`;
}

/** What a server asks of a client. `key` is absent when the server is a stock Flower server. */
export type Instruction =
  | { readonly type: "fit"; readonly key?: RequestKey; readonly parameters: Parameters; readonly config: Config }
  | { readonly type: "evaluate"; readonly key?: RequestKey; readonly parameters: Parameters; readonly config: Config }
  | { readonly type: "parameters"; readonly config: Config }
  | { readonly type: "properties"; readonly config: Config }
  /** Leave, and come back after so many seconds; 0 means the run is over. */
  | { readonly type: "reconnect"; readonly seconds: number };

/**
 * What a client answers. `Update` is how its tensors are held: {@link Parameters} on the client, a
 * `StoredResult` on the server.
 */
export type Reply<Update> =
  | { readonly type: "fit"; readonly update: Update; readonly numExamples: number; readonly metrics: Metrics }
  | { readonly type: "evaluate"; readonly loss: number; readonly numExamples: number; readonly metrics: Metrics }
  | { readonly type: "parameters"; readonly update: Update }
  | { readonly type: "properties"; readonly properties: Metrics }
  /** The client is there and says that it cannot answer. */
  | { readonly type: "refused"; readonly message: string };

/** Why a client contributed nothing to a phase. Data, not an exception: it stands in events and in the history. */
export interface Failure {
  readonly client: string;
  readonly reason: "departed" | "invalid" | "refused" | "surplus" | "timeout" | "unreadable";
  readonly message: string;
}
