// What a client is: an object with `fit` and `evaluate`. Everything else about it is optional.
import type { Config, Metrics, Parameters, RequestKey, SavedState } from "@perennial-fl/core";
import type { Progress } from "./progress.js";

/** What a client is told besides the question. */
export interface ClientContext {
  readonly clientId: string;
  /** Names the question: run, round, attempt, phase. Absent when a stock Flower server asks. */
  readonly key?: RequestKey;
  /** Fires when the client is being stopped: give up soon, by throwing. A lost connection does not fire it. */
  readonly signal: AbortSignal;
  /**
   * For a `fit` that has a key: what this client kept of its training for the same question before it died, and where
   * to keep more. Optional: a client that ignores it trains from the beginning again.
   */
  readonly progress?: Progress;
  /** Says aloud what went wrong and does not spoil the answer. It becomes a `warning` event. */
  readonly warn: (message: string) => void;
}

/** The outcome of local training. */
export interface FitResult {
  /** In the order of the parameters that were received. */
  readonly parameters: Parameters;
  /** The weight of this update in the average; a whole number from 0. */
  readonly numExamples: number;
  readonly metrics?: Metrics;
}

/** The outcome of local evaluation. */
export interface EvaluateResult {
  readonly loss: number;
  readonly numExamples: number;
  readonly metrics?: Metrics;
}

/**
 * Takes part in a federation. What a method throws is told to the server as a refusal, and reported; the client lives
 * on. Methods are called one at a time.
 */
export interface Client {
  getProperties?(config: Config, context: ClientContext): Metrics | Promise<Metrics>;
  /** Asked of one client when the server has no initial model. */
  getParameters?(config: Config, context: ClientContext): Parameters | Promise<Parameters>;
  fit(parameters: Parameters, config: Config, context: ClientContext): FitResult | Promise<FitResult>;
  evaluate(parameters: Parameters, config: Config, context: ClientContext): EvaluateResult | Promise<EvaluateResult>;
  /**
   * What the client itself must remember from round to round. Asked once at the start (what a fresh client begins
   * with) and after every answer; made durable together with that answer. Give the same object again if nothing
   * changed: it is then not written again. It must not be changed after it was given.
   */
  save?(): SavedState | Promise<SavedState>;
  /** Takes back what `save` gave: after a restart, after a failure, and when the server has gone back a round. */
  load?(state: SavedState): void | Promise<void>;
  /** Called once, when the client ends. */
  close?(): void | Promise<void>;
}
