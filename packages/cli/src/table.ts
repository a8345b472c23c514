// The live table of a run as lines of text. Pure: progress in, lines out.
import { styleText } from "node:util";
import type { Progress, Row } from "./server-progress.js";

export interface Style {
  readonly color: boolean;
  /** Width of the terminal. */
  readonly columns: number;
}

type Paint = Parameters<typeof styleText>[0];

const columns = [
  ["round", 7],
  ["asked", 6],
  ["answered", 9],
  ["failed", 7],
  ["loss", 9],
  ["accuracy", 10],
  ["time", 8],
] as const;

/** The names over the columns. */
export function header(style: Style): string {
  return paint("bold", columns.map(([name, width]) => name.padStart(width)).join(""), style);
}

/** One round. An open one ends in what it is doing. */
export function rowLine(row: Row, rounds: number | undefined, nowMs: number, style: Style): string {
  const cells = [
    rounds === undefined ? String(row.round) : `${row.round}/${rounds}`,
    String(row.asked),
    String(row.answered),
    String(row.failed),
    row.loss === undefined ? "-" : row.loss.toFixed(4),
    row.accuracy === undefined ? "-" : percent(row.accuracy),
    duration((row.endedMs ?? nowMs) - row.startedMs),
  ];
  const text = columns.map(([, width], i) => {
    const cell = (cells[i] as string).padStart(width);
    return columns[i]?.[0] === "failed" && row.failed > 0 ? paint("red", cell, style) : cell;
  });
  return text.join("") + suffix(row, style);
}

function suffix({ phase, done }: Row, style: Style): string {
  if (phase === "committed") return "";
  if (phase === "skipped") return `  ${paint("yellow", "no update counted: the model stays", style)}`;
  const length = 12;
  const used = columns.reduce((sum, [, width]) => sum + width, 0);
  // A line that wraps cannot be drawn over.
  if (style.columns < used + length + phase.length + 4) return "";
  return `  ${paint("cyan", bar(done, length), style)} ${paint("dim", phase, style)}`;
}

/** What is redrawn in place: the open round if there is one, and who is here. */
export function liveLines(progress: Progress, nowMs: number, style: Style): string[] {
  const { row, rounds, waiting, clients, address } = progress;
  const lines: string[] = [];
  if (row?.endedMs === undefined && row !== undefined) lines.push(rowLine(row, rounds, nowMs, style));
  const missing = waiting === undefined ? "" : `, waiting for ${waiting.needed - waiting.available} more`;
  const here = clients.length === 1 ? "1 client" : `${clients.length} clients`;
  if (address !== undefined) lines.push(paint("dim", cut(`  ${address}: ${here}${missing}`, style.columns - 1), style));
  return lines;
}

/** `███░░`, as much of it full as is done. */
export function bar(done: number, length: number): string {
  const full = Math.round(Math.min(1, Math.max(0, done)) * length);
  return "█".repeat(full) + "░".repeat(length - full);
}

/** `97.53 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** `4.2 s`, `3:07`, `1:02:45`. */
export function duration(ms: number): string {
  const total = Math.max(0, ms) / 1000;
  if (total < 60) return `${total.toFixed(1)} s`;
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, Math.floor(total % 60)];
  const pad = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds)}` : `${minutes}:${pad(seconds)}`;
}

/** Text in a style, or plain where there is no colour. */
export function paint(format: Paint, text: string, { color }: Pick<Style, "color">): string {
  return color ? styleText(format, text) : text;
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}
