// Figures that a suite found out, for the scorecard: appended as lines of JSON to the file that FIGURES names, if any.
import { appendFileSync } from "node:fs";

export type Figures = Readonly<Record<string, number | string>>;

export function figure(name: string, figures: Figures): void {
  const path = process.env["FIGURES"];
  if (path !== undefined) appendFileSync(path, `${JSON.stringify({ name, ...figures })}\n`);
}
