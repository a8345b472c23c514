// `perennial train`: a run that is cut anywhere ends as if it had not been, what diverges leaves the state of before.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32, isFederationError, random, tensor } from "@perennial-fl/core";
import { crossEntropy, dropout, linear, relu, sequential } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Dataset, Trainer } from "@perennial-fl/trainer";
import { expect } from "chai";
import type { EpochScore, TrainEvent } from "../src/train/events.js";
import { recipeOf } from "../src/train/recipe.js";
import type { RecipeArguments } from "../src/train/recipe.js";
import { trainLocally } from "../src/train/run.js";
import type { TrainRun } from "../src/train/run.js";

const module = sequential([linear(2, 8), relu(), dropout(0.3), linear(8, 2)], { input: [2], seed: 1 });
const recipe = (given: Partial<RecipeArguments> = {}) =>
  recipeOf({ optimizer: "adam", schedule: "cosine", epochs: 3, learningRate: 0.05, ...given });

/** Two classes that a line parts; with the seed that they are drawn by. */
function points(count: number, seed: number): Dataset {
  const draw = random("train", seed);
  const inputs = Array.from({ length: 2 * count }, () => draw.normal());
  const labels = Uint8Array.from({ length: count }, (_, i) =>
    Number((inputs[2 * i] ?? 0) + (inputs[2 * i + 1] ?? 0) > 0),
  );
  return { inputs: float32([count, 2], inputs), targets: tensor("uint8", [count], labels) };
}

describe("Local training", () => {
  let folder: string;
  let trainer: Trainer;
  let runs = 0;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "perennial-train-"));
    trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: recipe().optimizer });
  });
  after(async () => {
    await trainer.close();
    rmSync(folder, { recursive: true });
  });

  const data = { train: points(72, 1), validation: points(40, 2) };
  const plan = { "the data": "points" };
  const planned = (stateDir: string, change: Partial<TrainRun> = {}): TrainRun => {
    const options = { epochs: 3, batchSize: 16, seed: 1, bestBy: "loss", resume: "auto" } as const;
    return { module, data, recipe: recipe(), plan, ...options, stateDir, ...change };
  };
  const fresh = (): string => mkdtempSync(join(folder, `run-${(runs++).toString()}-`));

  /** Trains until `stop` says so, and gives what was said. */
  async function train(run: TrainRun, stop: (event: TrainEvent) => boolean = () => false): Promise<TrainEvent[]> {
    const events: TrainEvent[] = [];
    const controller = new AbortController();
    const show = (event: TrainEvent): void => {
      events.push(event);
      if (stop(event)) controller.abort();
    };
    await trainLocally(run, trainer, show, controller.signal);
    return events;
  }
  const scoresOf = (events: readonly TrainEvent[]): EpochScore[] =>
    events.filter((event): event is Extract<TrainEvent, { type: "epoch-ended" }> => event.type === "epoch-ended");
  const digestOf = (events: readonly TrainEvent[]): string | undefined => {
    const last = events.at(-1);
    return last?.type === "finished" ? last.parametersSha256 : undefined;
  };

  it("that was stopped in the middle of epochs ends with the same bytes and the same losses", async () => {
    const whole = await train(planned(fresh()));
    const stateDir = fresh();
    const run = planned(stateDir, { saveEvery: 3 });
    const cut = [];
    for (let session = 0; session < 20 && digestOf(cut) === undefined; session++) {
      cut.push(...(await train(run, ({ type }) => type === "saved")));
    }
    expect(cut.filter(({ type }) => type === "resumed")).to.have.length.at.least(3);
    expect(digestOf(cut)).to.equal(digestOf(whole));
    expect(scoresOf(cut)).to.deep.equal(scoresOf(whole));
    for (const name of ["best.onnx", "latest.onnx"]) expect(existsSync(join(stateDir, name)), name).to.equal(true);
  });

  it("goes on for more epochs when more are asked for, and does nothing twice", async () => {
    const constant = recipe({ schedule: "constant" });
    const whole = await train(planned(fresh(), { recipe: constant, epochs: 4 }));
    const stateDir = fresh();
    const first = await train(planned(stateDir, { recipe: constant, epochs: 2 }));
    const second = await train(planned(stateDir, { recipe: constant, epochs: 4 }));
    expect([...scoresOf(first), ...scoresOf(second)].map(({ loss }) => loss)).to.deep.equal(
      scoresOf(whole).map(({ loss }) => loss),
    );
    expect(digestOf(second)).to.equal(digestOf(whole));
    expect(digestOf(await train(planned(stateDir, { recipe: constant, epochs: 4 })))).to.equal(digestOf(whole));
  });

  it("of another plan is refused with both values, and so is a state that is not wanted or not there", async () => {
    const stateDir = fresh();
    await train(planned(stateDir, { epochs: 1 }));
    const refused = async (change: Partial<TrainRun>, at = stateDir): Promise<string> => {
      const error: unknown = await train(planned(at, change)).catch((thrown: unknown) => thrown);
      return isFederationError(error) ? `${error.code}: ${error.message}` : "not refused";
    };
    expect(await refused({ plan: { "the data": "circles" } })).to.equal(
      `plan/mismatch: the training in ${stateDir} began with the data points, and now it is circles; for another run take another --state-dir`,
    );
    expect(await refused({ resume: "never" })).to.match(/^plan\/mismatch: .* holds a training already/);
    expect(await refused({ resume: "require" }, fresh())).to.match(/^resume\/nothing: .* holds no training to resume$/);
  });

  it("that diverges names epoch and step, and keeps the state of before", async () => {
    const stateDir = fresh();
    await train(planned(stateDir, { epochs: 1 }));
    const kept = readFileSync(join(stateDir, "training.state"));
    const schedule = () => (step: number) => (step < 7 ? 0.05 : 1e38);
    const run = planned(stateDir, { recipe: { ...recipe(), schedule } });
    const error: unknown = await train(run).catch((thrown: unknown) => thrown);
    expect(isFederationError(error, "trainer/failed") && error.message).to.match(
      /^training diverged: the loss is (NaN|-?Infinity) in epoch 2, step [45]; the state of before, after epoch 1, is kept in /,
    );
    expect(readFileSync(join(stateDir, "training.state")).equals(kept)).to.equal(true);
  });

  const foreign: readonly [Partial<RecipeArguments>, string][] = [
    [{ momentum: 0.9 }, "--momentum 0.9 is an option of --optimizer sgd and rmsprop, and the optimizer is adam"],
    [{ gamma: 0.5 }, "--gamma 0.5 is an option of --schedule step and exponential, and the schedule is cosine"],
    [{ stepSize: 3 }, "--step-size 3 is an option of --schedule step, and the schedule is cosine"],
  ];
  for (const [given, message] of foreign) {
    it(`refuses what it would not use: ${message}`, () => {
      expect(() => recipe(given)).to.throw(message);
    });
  }

  it("follows the schedule that was asked for", () => {
    const rates = (given: Partial<RecipeArguments>): number[] =>
      [0, 1, 2, 5].map(recipe({ learningRate: 1, ...given }).schedule(2));
    expect(rates({ schedule: "constant", warmup: 4 })).to.deep.equal([0.25, 0.5, 0.75, 1]);
    expect(rates({ schedule: "step", stepSize: 1, gamma: 0.5 })).to.deep.equal([1, 1, 0.5, 0.25]);
    expect(rates({ schedule: "exponential", gamma: 0.5 })).to.deep.equal([1, 1, 0.5, 0.25]);
    expect(rates({ schedule: "cosine", epochs: 1 })[2]).to.equal(0);
  });
});
