// The table of operators in FEATURES.md, made from the tables of the code; the notes are people's.
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { decompositions } from "../src/decompositions/rules.js";
import { gradientRules } from "../src/index.js";
import { shapeRules } from "../src/shapes/rules.js";
import { rewrites } from "../src/rewrites/rules.js";
import { kernelCases } from "./kernels.js";

const page = new URL("../../../../FEATURES.md", import.meta.url);
const references = new URL("../../fixtures/gradients.json", import.meta.url);

/** Passed by, or replaced on reading by operators that have rules. */
const replaced = ["CastLike", "Dropout", "Flatten", "Gelu", "Identity"];
/** Replaced by what has no gradient. */
const constant = ["Size"];

function table(notes: ReadonlyMap<string, string>): string[] {
  const tested = JSON.parse(readFileSync(references, "utf8")) as readonly { readonly op: string }[];
  const runs = new Set([shapeRules, decompositions, rewrites].flatMap((rows) => Object.keys(rows)));
  return [...runs].sort().map((op) => {
    const through = Object.hasOwn(decompositions, op) && !constant.includes(op);
    const gradient = Object.hasOwn(gradientRules, op) || through || replaced.includes(op);
    const count = [...tested, ...kernelCases].filter((test) => test.op === op).length;
    const checked = count === 0 ? "" : count === 1 ? "1 case" : `${count} cases`;
    return `| ${op} | yes | ${gradient ? "yes" : "no"} | ${checked} | ${notes.get(op) ?? ""} |`;
  });
}

describe("FEATURES.md", () => {
  it("lists every operator that the code has, with its gradient and its cases (FEATURES=accept writes it)", () => {
    const text = readFileSync(page, "utf8");
    const head = "| operator | runs | gradient | checked | notes |\n|---|---|---|---|---|\n";
    const [before, rest] = text.split(head) as [string, string];
    const end = rest.indexOf("\n\n");
    const rows = rest.slice(0, end).split("\n");
    const notes = new Map(rows.map((row) => row.split("|")).map((cells) => [cells[1]!.trim(), cells[5]!.trim()]));
    const wanted = table(notes);
    if (process.env["FEATURES"] === "accept") {
      writeFileSync(page, `${before}${head}${wanted.join("\n")}${rest.slice(end)}`);
    } else expect(rows).deep.equal(wanted);
  });

  it("has no operator with a gradient that nothing checks", () => {
    const unchecked = table(new Map()).filter((row) => row.includes("| yes | yes |  |"));
    // A cast is checked as Cast, and what is dropped by its own suite.
    expect(unchecked.map((row) => row.split(" ")[1])).deep.equal(["CastLike", "Dropout", "Identity"]);
  });
});
