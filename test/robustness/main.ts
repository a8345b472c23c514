// `npm run robustness`: every attack against every strategy on MNIST; the table goes to docs/robustness.md.
import { readFileSync, writeFileSync } from "node:fs";
import { readMnist, twoLayerNet } from "../science/digits.js";
import { openArena } from "./arena.js";
import { attacks } from "./attacks.js";
import { defences } from "./defences.js";

const seed = 1;
const arena = await openArena({
  module: twoLayerNet(seed),
  digits: await readMnist("train"),
  examples: 600,
  tested: 5000,
  rounds: 10,
  epochs: 1,
  seed,
});
const names = Object.keys(attacks);
const rows = [`| strategy | ${names.join(" | ")} |`, `| --- |${" ---: |".repeat(names.length)}`];
for (const [name, defence] of Object.entries(defences)) {
  const cells: string[] = [];
  for (const attack of Object.values(attacks))
    cells.push((await arena.accuracy(defence, attack))?.toFixed(3) ?? "diverges");
  rows.push(`| ${name} | ${cells.join(" | ")} |`);
  console.log(rows.at(-1));
}
await arena.close();

const page = new URL("../../../docs/robustness.md", import.meta.url);
const [begin, end] = ["<!-- table: begin -->\n", "<!-- table: end -->"];
const [before, rest = ""] = readFileSync(page, "utf8").split(begin);
const [, after] = rest.split(end);
writeFileSync(page, [before, begin, "\n", rows.join("\n"), "\n\n", end, after].join(""));
