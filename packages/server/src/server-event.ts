// What a server says about itself, to whoever observes it. One flat object an event, fit for one line of JSON.
import type { Failure } from "@perennial-fl/core";
import type { RoundTimes } from "./round-times.js";

export type ServerEvent =
  | { readonly type: "started"; readonly run: string; readonly round: number; readonly rounds: number }
  | {
      readonly type: "resumed";
      readonly run: string;
      /** The last committed round. */
      readonly round: number;
      /** Whether a round was open; its accepted answers count and are not asked for again. */
      readonly roundOpen: boolean;
      /** Clients whose answers to the phase in progress were found in the journal. */
      readonly answered: readonly string[];
      /** Clients that this phase still waits for. */
      readonly outstanding: readonly string[];
      readonly parametersSha256: string;
    }
  | { readonly type: "client-joined"; readonly client: string; readonly identified: boolean }
  | { readonly type: "client-left"; readonly client: string; readonly message: string }
  | { readonly type: "waiting"; readonly round: number; readonly available: number; readonly needed: number }
  /** What the round's results and state take on the disk at least, and what there is room for, in bytes. */
  | { readonly type: "space"; readonly round: number; readonly needed: number; readonly free: number }
  | { readonly type: "round-opened"; readonly round: number; readonly cohort: readonly string[] }
  | { readonly type: "evaluation-opened"; readonly round: number; readonly cohort: readonly string[] }
  | { readonly type: "client-asked"; readonly round: number; readonly phase: string; readonly client: string }
  | {
      readonly type: "result-accepted";
      readonly round: number;
      readonly phase: string;
      readonly client: string;
      readonly numExamples: number;
      /** Of an evaluation. */
      readonly loss?: number;
      /** How many rounds ago it was begun, where that is not this one. */
      readonly staleness?: number;
    }
  | ({ readonly type: "client-failed"; readonly round: number; readonly phase: string } & Failure)
  /** An answer that cannot count: late, repeated, or to another question. */
  | {
      readonly type: "result-ignored";
      readonly round: number;
      readonly phase: string;
      readonly client: string;
      readonly why: "late" | "repeated" | "unasked";
    }
  | {
      readonly type: "round-committed";
      readonly round: number;
      readonly outcome: "committed" | "skipped";
      readonly answered: number;
      readonly failed: number;
      readonly loss?: number;
      readonly metrics: { readonly [name: string]: number };
      readonly parametersSha256: string;
    }
  /** After `round-committed`, if the session saw the round from its opening. */
  | ({ readonly type: "round-timed"; readonly round: number } & RoundTimes)
  /** By the server's own evaluation. */
  | {
      readonly type: "model-measured";
      readonly round: number;
      readonly loss: number;
      readonly metrics: { readonly [name: string]: number };
    }
  | { readonly type: "checkpoint-failed"; readonly round: number; readonly path: string; readonly message: string }
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "stopped"; readonly run: string; readonly round: number }
  | { readonly type: "finished"; readonly run: string; readonly round: number; readonly parametersSha256: string };
