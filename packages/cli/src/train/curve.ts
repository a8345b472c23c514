// Losses over epochs as a curve of characters. Pure.
import { paint } from "../table.js";
import type { Style } from "../table.js";
import type { EpochScore } from "./events.js";
import { lossText } from "./lines.js";

const height = 8;
const labelWidth = 10;

/** The curve as lines: training as dots, validation as circles. Nothing before the second epoch. */
export function curveLines(scores: readonly EpochScore[], style: Style): string[] {
  if (scores.length < 2) return [];
  const width = Math.min(60, scores.length, style.columns - labelWidth - 4);
  if (width < 2) return [];
  const training = resampled(
    scores.map(({ loss }) => loss),
    width,
  );
  const validation = resampled(
    scores.map(({ validationLoss = NaN }) => validationLoss),
    width,
  );
  const finite = [...training, ...validation].filter(Number.isFinite);
  if (finite.length === 0) return [];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  // Row 0 is the top; a curve that never moves lies in the middle.
  const rowOf = (loss: number): number =>
    high === low ? height >> 1 : Math.round(((high - loss) / (high - low)) * (height - 1));
  const lines = Array.from({ length: height }, (_, row) => {
    const label = row === 0 ? lossText(high) : row === height - 1 ? lossText(low) : "";
    const cells = training.map((loss, i) => {
      if (rowOf(validation[i] as number) === row) return paint("yellow", "○", style);
      return rowOf(loss) === row ? paint("cyan", "●", style) : " ";
    });
    return `${label.padStart(labelWidth)} ${row === 0 || row === height - 1 ? "┤" : "│"}${cells.join("")}`.trimEnd();
  });
  const judged = validation.some(Number.isFinite) ? `, ${paint("yellow", "○", style)} validation` : "";
  const legend = `${paint("cyan", "●", style)} training${judged}, epochs 1 to ${scores.length}`;
  return [...lines, `${" ".repeat(labelWidth)} └${"─".repeat(width)}`, `${" ".repeat(labelWidth + 2)}${legend}`];
}

/** The values as so many means of neighbours. */
function resampled(values: readonly number[], width: number): number[] {
  return Array.from({ length: width }, (_, i) => {
    const from = Math.floor((i * values.length) / width);
    const part = values.slice(from, Math.max(from + 1, Math.floor(((i + 1) * values.length) / width)));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
