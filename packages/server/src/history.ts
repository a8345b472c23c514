// What a run has done so far: one record a round, as plain data in the per-round state.
import type { Failure } from "@perennial-fl/core";

/** What came of asking a cohort. */
export type PhaseRecord = {
  /** The ids that were asked, in cohort order. */
  readonly cohort: readonly string[];
  /** Those whose answer counted, in cohort order. */
  readonly answered: readonly string[];
  readonly failures: readonly FailureRecord[];
  readonly numExamples: number;
  /** Means weighted by examples. */
  readonly metrics: { readonly [name: string]: number };
  /** Updates of earlier rounds that counted in this one, where there are any. */
  readonly late?: readonly { readonly client: string; readonly round: number }[];
};

export type FailureRecord = { readonly [K in keyof Failure]: Failure[K] };

export type RoundRecord = {
  readonly round: number;
  /** `skipped`: no update counted, so the model stayed as it was. */
  readonly outcome: "committed" | "skipped";
  /** Why it was skipped though updates had come. */
  readonly why?: string;
  readonly fit: PhaseRecord;
  readonly evaluate: PhaseRecord;
  /** The mean of the clients' losses of the new model, weighted by examples; absent when nobody evaluated. */
  readonly loss?: number;
  /** What the server's own evaluation made of the new model, where it has one. */
  readonly central?: { readonly loss: number; readonly metrics: { readonly [name: string]: number } };
};

export type History = readonly RoundRecord[];
