// A strategy in a file: the one that the strategy package's README shows, and files that hold none.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { float32, memoryResult } from "@perennial-fl/core";
import { advance } from "@perennial-fl/strategy";
import { nameOrFile, strategyOf } from "../src/strategy-options.js";

const readme = readFileSync(fileURLToPath(new URL("../../../strategy/README.md", import.meta.url)), "utf8");
const shown = /^```js\n(.*?)^```$/ms.exec(readme)?.[1] ?? "";

describe("a strategy file", () => {
  let folder: string;
  before(() => {
    // Inside the repository, so that the file finds the packages.
    folder = mkdtempSync(fileURLToPath(new URL("../strategy-file-", import.meta.url)));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const given = { minClients: 3, fractionFit: 0.5, fractionEvaluate: 1, late: "drop" } as const;
  const strategyIn = (name: string, text: string, rates = {}) => {
    const strategy = join(folder, name);
    writeFileSync(strategy, text);
    return strategyOf({ ...given, strategy, ...rates });
  };
  const failure = (made: Promise<unknown>) => made.then(String, (error: unknown) => error);

  it("as the README shows it moves half of the way, and is told the command's options", async () => {
    const strategy = await strategyIn("halfway.js", shown);
    expect(strategy.selectFit.minAvailable).to.equal(3);
    expect(strategy.plan).to.deep.equal({ strategy: "halfway" });
    const result = memoryResult([float32([2], [4, 8])]);
    const parameters = [float32([2], [0, 4])];
    const contribution = { client: "a", result, numExamples: 1, metrics: {} };
    const held = { parameters, state: strategy.move.init(parameters) };
    expect(advance(strategy, [contribution], held, { round: 1, seed: 1 }).parameters).to.deep.equal([
      float32([2], [2, 6]),
    ]);
  });

  it("that makes no strategy is refused, and what it lacks is named", async () => {
    expect(await failure(strategyIn("nothing.js", "export const x = 1;"))).to.match(
      /nothing\.js must export a function of options as its default or as "strategy"$/,
    );
    const lacking = "export default () => ({ plan: {}, configure() {}, enough: 1, selectFit: { choose() {} } });";
    const error = await failure(strategyIn("lacking.js", lacking));
    expect(error).to.include({ code: "argument/invalid" });
    expect(String(error)).to.match(
      /made a strategy that lacks selectFit\.minAvailable \(a number\), selectEvaluate\.choose .*, enough .*move\.update/,
    );
  });

  it("that fails says so with its own words", async () => {
    const error = await failure(strategyIn("throws.js", 'export default () => { throw new Error("no seed"); };'));
    expect(error).to.include({ code: "strategy/failed" });
    expect(String(error)).to.match(/making the strategy of --strategy .*throws\.js failed: no seed$/);
  });

  it("is told what all strategies have, and not what belongs to one of ours", async () => {
    const echo = "import { fedAvg } from '@perennial-fl/strategy';\nexport const strategy = (given) => fedAvg(given);";
    const made = await strategyIn("echo.js", echo, { minCompletion: 0.5, overSelection: 2 });
    expect(made.plan).to.include({ minCompletion: 0.5, overSelection: 2, fractionFit: 0.5 });
    expect(String(await failure(strategyIn("echo.js", echo, { eta: 1 })))).to.include("--eta 1 is an option of");
  });

  it("is told from a name by its ending", () => {
    expect(["fedadam", "./own.mjs"].map(nameOrFile)).to.deep.equal(["fedadam", "./own.mjs"]);
    expect(() => nameOrFile("toString")).to.throw("--strategy is one of");
  });
});
