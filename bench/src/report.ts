// How results are read: a table for people, one JSON array for machines.
import { writeFile } from "node:fs/promises";
import type { Row } from "./harness.js";

const head = ["benchmark", "unit", "ours", "peer", "ours/peer", "goal", "ours, all runs", "peer, all runs"];

/** The rows as a table of aligned columns. */
export function table(rows: readonly Row[]): string {
  const lines = [head, ...rows.map(cells)];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cells({ name, unit, ours, peer, peerName, ratio, goal, runs }: Row): string[] {
  return [
    name,
    unit,
    figure(ours),
    peer === null ? "-" : `${figure(peer)} (${peerName})`,
    ratio === null ? "-" : ratio.toFixed(2),
    goalText({ ours, ratio, goal }),
    runs.ours.map(figure).join(" "),
    runs.peer?.map(figure).join(" ") ?? "-",
  ];
}

/** The goal, and whether it was reached: `0.50 met`, `1 MB missed`. */
function goalText({ ours, ratio, goal }: Pick<Row, "ours" | "ratio" | "goal">): string {
  if (goal === null) return "-";
  if ("value" in goal) return `${goal.value} ${ours <= goal.value ? "met" : "missed"}`;
  return `x ${goal.ratio.toFixed(2)}${ratio === null ? "" : ratio <= goal.ratio ? " met" : " missed"}`;
}

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(decimals);
}

/** Writes the rows as `[{ name, unit, ours, peer, peerName, ratio, goal, runs }]`. */
export async function writeJson(path: string, rows: readonly Row[]): Promise<void> {
  await writeFile(path, `${JSON.stringify(rows, null, 2)}\n`);
}
