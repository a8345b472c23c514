// What a table shows of a run, folded from the server's events. Pure.
import type { ServerEvent } from "@perennial-fl/server";
import type { CommandEvent } from "./json-lines.js";

/** A round, as one row. */
export interface Row {
  readonly round: number;
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
  readonly phase: "training" | "evaluating" | "committed" | "skipped";
  /** Share of the phase that is over, for the bar. */
  readonly done: number;
  readonly loss?: number | undefined;
  readonly accuracy?: number | undefined;
  /** When it was opened or taken up again. */
  readonly startedMs: number;
  readonly endedMs?: number | undefined;
}

export interface Progress {
  readonly run?: string;
  readonly rounds?: number;
  readonly address?: string;
  readonly clients: readonly string[];
  /** The open round, or the one just committed. */
  readonly row?: Row | undefined;
  readonly waiting?: { readonly available: number; readonly needed: number } | undefined;
}

export const noProgress: Progress = { clients: [] };

/** What is known after one more event, which happened at `nowMs`. */
export function advance(progress: Progress, event: ServerEvent | CommandEvent, nowMs: number): Progress {
  switch (event.type) {
    case "started":
      return { ...progress, run: event.run, rounds: event.rounds };
    case "listening":
      return { ...progress, address: event.address };
    case "client-joined":
      return { ...progress, clients: [...progress.clients.filter((other) => other !== event.client), event.client] };
    case "client-left":
      return { ...progress, clients: progress.clients.filter((other) => other !== event.client) };
    case "waiting":
      return { ...progress, waiting: { available: event.available, needed: event.needed } };
    case "resumed": {
      if (!event.roundOpen) return progress;
      const asked = event.answered.length + event.outstanding.length;
      const row = { ...openRow(event.round + 1, asked, nowMs), answered: event.answered.length };
      return { ...progress, row: { ...row, done: share(row.answered, asked) } };
    }
    case "round-opened":
      return { ...progress, waiting: undefined, row: openRow(event.round, event.cohort.length, nowMs) };
    case "evaluation-opened":
      return withRow(progress, (row) => ({ ...row, phase: "evaluating", done: 0 }));
    case "result-accepted":
    case "client-failed":
      return withRow(progress, (row) => settle(row, event));
    case "round-committed":
      return withRow(progress, (row) => commit(row, event, nowMs));
    default:
      return progress;
  }
}

function openRow(round: number, asked: number, startedMs: number): Row {
  return { round, asked, answered: 0, failed: 0, phase: "training", done: 0, startedMs };
}

/** Counts an outcome. The columns count updates; an evaluation only moves the bar. */
function settle(row: Row, event: Extract<ServerEvent, { type: "client-failed" | "result-accepted" }>): Row {
  const done = row.done + share(1, row.asked);
  if (event.phase !== "fit") return { ...row, phase: "evaluating", done };
  if (event.type === "client-failed") return { ...row, done, failed: row.failed + 1 };
  return { ...row, done, answered: row.answered + 1 };
}

function commit(row: Row, event: Extract<ServerEvent, { type: "round-committed" }>, endedMs: number): Row {
  const { outcome, answered, failed, loss, metrics } = event;
  return { ...row, phase: outcome, done: 1, answered, failed, loss, accuracy: metrics["accuracy"], endedMs };
}

function withRow(progress: Progress, change: (row: Row) => Row): Progress {
  return progress.row === undefined ? progress : { ...progress, row: change(progress.row) };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 1 : Math.min(1, part / whole);
}
