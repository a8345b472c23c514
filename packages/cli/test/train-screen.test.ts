// What a person sees of a local training: the line that moves, the curve, and plain lines where nothing can move.
import { expect } from "chai";
import { curveLines } from "../src/train/curve.js";
import type { EpochScore, TrainEvent } from "../src/train/events.js";
import { lossText } from "../src/train/lines.js";
import { advanceTraining, noTrainProgress, progressLine, stepsPerSecond } from "../src/train/progress.js";
import type { TrainProgress } from "../src/train/progress.js";
import { trainView } from "../src/train/screen.js";

const style = { color: false, columns: 80 };
const stepped = (epoch: number, step: number): TrainEvent => ({
  type: "stepped",
  epoch,
  step,
  stepsPerEpoch: 100,
  loss: 0.5,
});
const ended = (epoch: number): TrainEvent => ({ type: "epoch-ended", epoch, epochs: 3, loss: 0.25, best: true });
const begun = { ...noTrainProgress, epochs: 3 };

function after(events: readonly (readonly [TrainEvent, ms: number])[], from: TrainProgress = begun): TrainProgress {
  return events.reduce((progress, [event, ms]) => advanceTraining(progress, event, ms), from);
}

describe("The line of an epoch under way", () => {
  it("says where it is, how fast, and how long it will take", () => {
    const progress = after([
      [stepped(2, 30), 1000],
      [stepped(2, 40), 1100],
    ]);
    expect(progressLine(progress, style)).to.equal(
      "epoch 2/3  ████████░░░░░░░░░░░░   40 %  loss 0.5000  100 steps/s  1.6 s left",
    );
  });

  it("does not count the time that judging and saving take", () => {
    const progress = after([
      [stepped(1, 90), 0],
      [stepped(1, 100), 100],
      [ended(1), 50_000],
      [stepped(2, 10), 60_000],
      [stepped(2, 20), 60_100],
    ]);
    expect(stepsPerSecond(progress)).to.equal(100);
  });

  it("says nothing of a pace that it does not know, and is never wider than the terminal", () => {
    const progress = after([[stepped(1, 10), 0]]);
    expect(progressLine(progress, style)).to.equal("epoch 1/3  ██░░░░░░░░░░░░░░░░░░   10 %  loss 0.5000");
    for (const columns of [10, 30, 45]) {
      expect(progressLine(progress, { color: true, columns })?.replaceAll(/\S\[\d+m/g, "").length).to.be.below(columns);
    }
    expect(progressLine(begun, style)).to.equal(undefined);
  });
});

describe("The curve", () => {
  const scores = (...losses: number[]): EpochScore[] => losses.map((loss, i) => ({ epoch: i + 1, loss }));

  it("falls with the loss, from the greatest to the least", () => {
    expect(curveLines(scores(8, 4, 2, 1), style)).to.deep.equal([
      "    8.0000 ┤●",
      "           │",
      "           │",
      "           │",
      "           │ ●",
      "           │",
      "           │  ●",
      "    1.0000 ┤   ●",
      "           └────",
      "            ● training, epochs 1 to 4",
    ]);
  });

  it("has room for any number of epochs, and needs two", () => {
    const many = curveLines(scores(...Array.from({ length: 1000 }, (_, i) => 1000 - i)), style);
    expect(Math.max(...many.map(({ length }) => length))).to.be.below(80);
    expect(curveLines(scores(1), style)).to.deep.equal([]);
    expect(curveLines(scores(1, 1), style)).to.have.length(10);
    expect(curveLines(scores(NaN, NaN), style)).to.deep.equal([]);
    expect(curveLines(scores(1, 2), { color: false, columns: 12 })).to.deep.equal([]);
  });
});

describe("Where nothing can be redrawn", () => {
  const shown = (json: boolean): string => {
    let text = "";
    const view = trainView({ write: (more) => (text += more) }, json, {});
    for (const event of [stepped(1, 5), ended(1)]) view.show(event);
    view.close();
    return text;
  };

  it("each epoch is a line", () => {
    expect(shown(false)).to.equal("epoch 1/3: loss 0.2500, the best so far\n");
  });

  it("each epoch is an object, and a step is none", () => {
    const lines = shown(true).trim().split("\n");
    expect(lines).to.have.length(1);
    expect(JSON.parse(lines[0] ?? "")).to.include({ type: "epoch-ended", epoch: 1, loss: 0.25 });
  });
});

describe("A loss", () => {
  it("is written so that its first digits can be read, whatever its size", () => {
    expect([0, 0.12345, 12.5, 0.00001234, 1234567].map(lossText)).to.deep.equal([
      "0.0000",
      "0.1235",
      "12.5000",
      "1.234e-5",
      "1.235e+6",
    ]);
  });
});
