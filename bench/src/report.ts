// How results are read: a table for people, one JSON array for machines.
import { writeFile } from "node:fs/promises";
import type { Row } from "./harness.js";

const head = ["benchmark", "unit", "ours", "peer", "ours/peer", "ours, all runs", "peer, all runs"];

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

function cells({ name, unit, ours, peer, peerName, ratio, runs }: Row): string[] {
  return [
    name,
    unit,
    figure(ours),
    peer === null ? "-" : `${figure(peer)} (${peerName})`,
    ratio === null ? "-" : ratio.toFixed(2),
    runs.ours.map(figure).join(" "),
    runs.peer?.map(figure).join(" ") ?? "-",
  ];
}

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(decimals);
}

/** Writes the rows as `[{ name, unit, ours, peer, peerName, ratio, runs }]`. */
export async function writeJson(path: string, rows: readonly Row[]): Promise<void> {
  await writeFile(path, `${JSON.stringify(rows, null, 2)}\n`);
}
