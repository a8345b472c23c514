// What the thread that aggregates is asked, and what it answers.
import type { ErrorCode, Parameters, TensorHeader } from "@perennial-fl/core";
import type { ResultReference } from "@perennial-fl/checkpointer";
import type { AggregationRule } from "@perennial-fl/strategy";

export interface AggregationRequest {
  readonly rule: AggregationRule;
  /** In cohort order. */
  readonly contributions: readonly { readonly reference: ResultReference; readonly numExamples: number }[];
  readonly headers: readonly TensorHeader[];
}

export type AggregationAnswer =
  | { readonly type: "aggregated"; readonly parameters: Parameters }
  /** `code` is missing for a mistake of our own. */
  | { readonly type: "failed"; readonly message: string; readonly code?: ErrorCode };
