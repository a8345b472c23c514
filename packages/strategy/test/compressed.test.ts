// Strategies whose updates travel as differences.
import { expect } from "chai";
import { deltaEntry, encodeDelta, float32, isFederationError, memoryResult } from "@perennial-fl/core";
import { advance, compressed, fedAdam, fedAvg, fedBuff, scaffold } from "../src/index.js";

const current = [float32([2], [1, -1])];
const update = [float32([2], [1.5, -1.25])];

describe("a compressed strategy", () => {
  it("asks for differences in a fit alone, and names its precision in the plan", () => {
    const strategy = compressed(fedAvg(), "int8");
    expect(strategy.plan).to.include({ delta: "int8" });
    expect(strategy.configure(1, "fit", null, "a")).to.include({ [deltaEntry]: "int8" });
    expect(strategy.configure(1, "evaluate", null, "a")).to.not.have.property(deltaEntry);
  });

  it("decodes what came encoded, and takes whole tensors as they are", () => {
    const strategy = compressed(fedAdam(), "float16");
    const { tensors } = encodeDelta(update, current, [], "float16");
    const decoded = strategy.decode?.({ update: memoryResult(tensors), metrics: { [deltaEntry]: "float16" } }, current);
    if (decoded === undefined || "objection" in decoded) throw new Error("it decodes");
    expect(decoded.read(0)).to.deep.equal(update[0]);
    const whole = memoryResult(update);
    expect(strategy.decode?.({ update: whole, metrics: {} }, current)).to.equal(whole);
  });

  it("moves as the strategy within it", () => {
    const contributions = [{ client: "a", result: memoryResult(update), numExamples: 3, metrics: {} }];
    const [inner, outer] = [fedAdam(), compressed(fedAdam(), "int8")].map((strategy) => {
      const held = { parameters: current, state: strategy.move.init(current) };
      return advance(strategy, contributions, held, { round: 1, seed: 1 });
    });
    expect(outer).to.deep.equal(inner);
  });

  it("is not made of one whose updates are more than the model, or of an older one, nor of an unknown precision", () => {
    for (const [make, message] of [
      [() => compressed(scaffold(), "int8"), /scaffold.*more than the model's tensors/],
      [() => compressed(fedBuff(), "int8"), /fedbuff.*older model/],
      [() => compressed(fedAvg(), "int4" as "int8"), /float16 or int8, not "int4"/],
    ] as const) {
      let error: unknown;
      try {
        make();
      } catch (thrown) {
        error = thrown;
      }
      expect(isFederationError(error, "argument/invalid")).to.equal(true);
      expect((error as Error).message).to.match(message);
    }
  });
});
