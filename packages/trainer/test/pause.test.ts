// A pause between any two steps: what is trained on both sides of it is what would have been trained without it.
import { isFederationError, sameTensor } from "@perennial-fl/core";
import { adam, cosineAnnealing, crossEntropy, dropout, linear, relu, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { openTrainer } from "../src/index.js";
import type { Cursor, StepProgress, Trained, Trainer, TrainOptions } from "../src/index.js";
import { points } from "./points.js";

const module = sequential([linear(2, 16), relu(), dropout(0.5), linear(16, 3)], { input: [2], seed: 1 });
/** Epochs of five steps, the last one shorter. */
const options = {
  dataset: points(72, 1),
  batchSize: 16,
  epochs: 3,
  seed: ["pause"],
  learningRate: cosineAnnealing(0.05, { steps: 15 }),
} satisfies TrainOptions;

describe("A pause", () => {
  let trainer: Trainer;
  let whole: Trained;
  before(async () => {
    trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: adam({ learningRate: 0.05 }) });
    whole = await trainer.train(module.parameters, options);
  });
  after(() => trainer.close());

  /** Trains to the end in calls of so many steps, each beginning where the one before stood. */
  async function inCallsOf(maxSteps: number): Promise<{ last: Trained; cursors: (Cursor | undefined)[] }> {
    let last = await trainer.train(module.parameters, { ...options, maxSteps });
    const cursors = [last.cursor];
    while (last.cursor !== undefined && cursors.length < 20) {
      const { parameters, state, cursor } = last;
      const epochs = options.epochs - cursor.epoch;
      last = await trainer.train(parameters, { ...options, state, cursor, epochs, maxSteps });
      cursors.push(last.cursor);
    }
    return { last, cursors };
  }

  for (const maxSteps of [1, 4, 5, 7]) {
    it(`after every ${maxSteps} steps changes no bit of the parameters, the optimizer's state, dropout or the loss`, async () => {
      const { last, cursors } = await inCallsOf(maxSteps);
      expect(last.parameters.every((held, i) => sameTensor(held, whole.parameters[i]!))).to.equal(true);
      expect(last.state).to.deep.equal(whole.state);
      expect(last.loss).to.equal(whole.loss);
      expect(cursors).to.have.length(Math.ceil(15 / maxSteps));
    });
  }

  it("that was asked for before the call lets no step happen", async () => {
    const { cursor, steps, parameters } = await trainer.train(module.parameters, {
      ...options,
      pause: AbortSignal.abort(),
    });
    expect({ cursor, steps }).to.deep.equal({ cursor: { epoch: 0, step: 0, lossSum: 0 }, steps: 0 });
    expect(parameters.every((held, i) => sameTensor(held, module.parameters[i]!))).to.equal(true);
  });

  it("comes within one step of its signal, and nothing that was trained is lost", async () => {
    const controller = new AbortController();
    const paused = await trainer.train(module.parameters, {
      ...options,
      epochs: 100_000,
      pause: controller.signal,
      onEpoch: () => {
        controller.abort();
      },
    });
    const { epoch, step } = paused.cursor!;
    expect(paused.steps).to.equal(epoch * 5 + step);
    const again = await trainer.train(module.parameters, { ...options, epochs: 100_000, maxSteps: paused.steps });
    expect(again).to.deep.equal(paused);
  });

  it("is refused to be gone on from where no epoch can have stood", async () => {
    const cursor = { epoch: 1, step: 5, lossSum: 1 };
    const error: unknown = await trainer.train(module.parameters, { ...options, cursor }).catch((e: unknown) => e);
    expect(isFederationError(error, "argument/invalid") && error.message).to.equal(
      "the cursor stands at epoch 1, step 5 with a loss of 1, where firstEpoch is 1 and an epoch has 5 steps",
    );
  });

  it("can be timed by progress, which is told in the order of the steps", async () => {
    const told: StepProgress[] = [];
    const controller = new AbortController();
    const onStep = (progress: StepProgress): void => {
      told.push(progress);
      if (told.length === 2) controller.abort();
    };
    await trainer.train(module.parameters, { ...options, epochs: 1_000_000, pause: controller.signal, onStep });
    const places = told.map(({ epoch, step }) => epoch * 5 + step);
    expect(told).to.have.length.at.least(2);
    expect(places).to.deep.equal(places.toSorted((a, b) => a - b));
    expect(told[0]).to.include({ stepsPerEpoch: 5 });
  });
});
