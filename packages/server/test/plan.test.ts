// Plans: what must not change when a run is resumed.
import { expect } from "chai";
import { float32 } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { fedAdam, fedAvg } from "@perennial-fl/strategy";
import { checkPlan, planFacts } from "../src/index.js";
import type { Plan } from "../src/index.js";
import { checkResume } from "../src/resume.js";

const plan = (changes: Partial<Plan> = {}): Plan => {
  return {
    numRounds: 3,
    seed: 1,
    strategy: fedAvg(),
    rejoinTimeoutMs: 1000,
    restartSeconds: 10,
    drainTimeoutMs: 5000,
    ...changes,
  };
};
const model: Parameters = [float32([2], [0, 0])];
const saved = {
  plan: planFacts(plan(), model),
  durable: { run: "r1", round: 2, attempt: 1, parameters: model, strategyState: null, history: [], roster: [] },
};

describe("a plan on resume", () => {
  it("may have another round count and other timeouts", () => {
    const now = planFacts(plan({ numRounds: 9, roundTimeoutMs: 5, rejoinTimeoutMs: 7 }), model);
    expect(() => {
      checkPlan(saved.plan, now, "DIR");
    }).to.not.throw();
  });

  for (const [what, now, message] of [
    [
      "strategy",
      planFacts(plan({ strategy: fedAdam() }), model),
      "a run with strategy fedavg, and this one has strategy fedadam",
    ],
    ["seed", planFacts(plan({ seed: 2 }), model), "seed 1, and this one has seed 2"],
    [
      "fraction",
      planFacts(plan({ strategy: fedAvg({ fractionFit: 0.5 }) }), model),
      "fractionFit 1, and this one has fractionFit 0.5",
    ],
    ["model", planFacts(plan(), [float32([3], [0, 0, 0])]), "tensors float32[2], and this one has tensors float32[3]"],
  ] as const) {
    it(`may not have another ${what}, and is told both values`, () => {
      expect(() => {
        checkPlan(saved.plan, now, "DIR");
      })
        .to.throw(`DIR holds`)
        .and.to.include({ code: "plan/mismatch" });
      expect(() => {
        checkPlan(saved.plan, now, "DIR");
      }).to.throw(message);
    });
  }

  it("of an option that the other does not have is a difference too", () => {
    expect(() => {
      checkPlan(saved.plan, planFacts(plan({ strategy: fedAdam() }), model), "DIR");
    }).to.throw();
    expect(() => {
      checkPlan({ ...saved.plan, eta: 0.1 }, saved.plan, "DIR");
    }).to.throw("eta 0.1, and this one has eta unset");
  });
});

describe("the choice to resume", () => {
  it("refuses another module of the same shapes, and takes none for the old one", () => {
    const with1 = { ...saved, plan: planFacts(plan(), model, "m1") };
    const resume = (module?: string) =>
      checkResume(with1, 0, "auto", plan(), module === undefined ? {} : { module }, "DIR");
    expect(resume("m1")).to.equal(true);
    expect(resume()).to.equal(true);
    expect(() => resume("m2")).to.throw("module m1, and this one has module m2");
  });

  it("refuses to begin anew beside a journal whose state is missing", () => {
    expect(() => checkResume(undefined, 3, "auto", plan(), {}, "DIR"))
      .to.throw("holds the journal of an open round and no state")
      .and.to.include({ code: "checkpoint/corrupt" });
  });

  it("auto goes on with a run that is there, and begins one where there is none", () => {
    expect(checkResume(saved, 0, "auto", plan(), { parameters: model }, "DIR")).to.equal(true);
    expect(checkResume(undefined, 0, "auto", plan(), { parameters: model }, "DIR")).to.equal(false);
  });

  it("require insists on a run", () => {
    expect(() => checkResume(undefined, 0, "require", plan(), { parameters: model }, "DIR"))
      .to.throw("DIR holds no run to resume")
      .and.to.include({ code: "resume/nothing" });
  });

  it("never leaves a run alone that is there", () => {
    expect(() => checkResume(saved, 0, "never", plan(), { parameters: model }, "DIR")).to.throw(
      "DIR holds run r1 after round 2",
    );
  });
});
