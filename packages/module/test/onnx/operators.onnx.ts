// Every one-operator model of ONNX's own test data: run, differentiated, and listed with the reason where it is not.
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { coveragePage, storedCount } from "./coverage.js";
import { judge } from "./judge.js";
import type { Judged } from "./judge.js";
import { directory, storedModels } from "./models.js";
import { differing, stepNames } from "./steps.js";

const page = new URL("../../../../../docs/onnx-coverage.md", import.meta.url);
const models = storedModels();

describe("ONNX's own test data", () => {
  const judged: Judged[] = [];

  before(async function () {
    if (models.length === 0) {
      console.log(
        `    skipped: ${directory} is not there (Debian's libonnx-testdata, or name another in PERENNIAL_ONNX_TESTDATA)`,
      );
      this.skip();
    }
    this.timeout(80_000);
    for (const model of models) {
      const result = await judge(model);
      if (result !== undefined && !stepNames.includes(result.operator)) judged.push(result);
    }
  });

  it("has no model that we read and get wrong", () => {
    const wrong = judged.flatMap(({ model, verdict }) =>
      verdict.type === "wrong" ? [`${model}: ${verdict.why}`] : [],
    );
    expect(wrong).deep.equal([]);
    expect(judged.filter(({ verdict }) => verdict.type === "gradient").length).above(400);
  });

  for (const model of models.filter(({ name }) => /_(adagrad|adam|(nesterov_)?momentum)(_multiple)?$/.test(name))) {
    it(`steps as our optimizers do: ${model.name}`, async () => {
      expect(await differing(model)).deep.equal([]);
    });
  }

  it("is covered as docs/onnx-coverage.md says", function () {
    const text = coveragePage(models.length, judged, stepNames);
    if (process.env["ONNX_COVERAGE"] === "accept") writeFileSync(page, text);
    const said = readFileSync(page, "utf8");
    if (!said.includes(storedCount(models.length))) {
      console.log(`      skipped: ${directory} has other models than the page was made from`);
      this.skip();
    }
    expect(said).equal(text);
  });
});
