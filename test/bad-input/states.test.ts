// States that are damaged, misnamed, out of place, or not what can be kept.
import { join } from "node:path";
import { BestLossTorchModuleCheckpointer, PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import type { SavedState } from "@perennial-fl/core";
import { cutOff, filesLike, flipBit, reseal } from "./damage.js";
import { table } from "./table.js";
import type { Row } from "./table.js";

const state: SavedState = { round: 3, weights: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

const saving = (value: unknown) => (dir: string) =>
  new PerRoundStateCheckpointer(dir).saveCheckpoint("state", { kept: value } as SavedState);

const naming = (name: string) => (dir: string) => new PerRoundStateCheckpointer(dir).saveCheckpoint(name, state);

/** Saves twice, so that there are two generations, and loads what is left after the damage. */
const loadingState = (damage: (dir: string) => void) => async (dir: string) => {
  const states = new PerRoundStateCheckpointer(dir);
  await states.saveCheckpoint("state", state);
  await states.saveCheckpoint("state", state);
  damage(dir);
  await new PerRoundStateCheckpointer(dir).loadCheckpoint("state");
};

const everyState =
  (damage: (path: string) => void) =>
  (dir: string): void => {
    for (const path of filesLike(dir, /^state/)) damage(path);
  };

class Momentum {
  readonly value = 0.9;
}
const cycle: { self?: unknown } = {};
cycle.self = cycle;

table("values in a state", [
  {
    title: "a function",
    act: saving({ optimizer: { fn: Math.sqrt } }),
    code: "checkpoint/unsupported-value",
    message: "state.kept.optimizer.fn is a function",
  },
  {
    title: "undefined",
    act: saving([1, undefined]),
    code: "checkpoint/unsupported-value",
    message: "state.kept[1] is undefined",
  },
  {
    title: "a symbol",
    act: saving(Symbol("round")),
    code: "checkpoint/unsupported-value",
    message: "state.kept is a symbol",
  },
  {
    title: "an instance of a class",
    act: saving(new Momentum()),
    code: "checkpoint/unsupported-value",
    message: "state.kept is an instance of Momentum",
  },
  {
    title: "a map",
    act: saving(new Map([["a", 1]])),
    code: "checkpoint/unsupported-value",
    message: "state.kept is an instance of Map",
  },
  {
    title: "an object within itself",
    act: saving(cycle),
    code: "checkpoint/unsupported-value",
    message: "state.kept.self contains itself",
  },
]);

const unnamed = (name: string): string =>
  "a checkpoint's name has 1 to 128 letters, digits, dots, hyphens and underscores, begins with a letter or digit, and " +
  `has no two dots together: ${JSON.stringify(name)} is not one`;

table("names of checkpoints", [
  ...["../state", "/etc/passwd", "sub/state", "", "a\0b", "CON", ".hidden"].map((name): Row => ({
    title: JSON.stringify(name),
    act: naming(name),
    code: "checkpoint/name",
    message: unnamed(name),
  })),
  {
    title: "the name of a generation",
    act: naming("state.previous"),
    code: "checkpoint/name",
    message: "the name state.previous is kept for files that storage makes itself",
  },
  {
    title: "a module's name that leads elsewhere",
    act: (dir) => new BestLossTorchModuleCheckpointer(dir, "../best.onnx"),
    code: "checkpoint/name",
    message: unnamed("../best.onnx"),
  },
]);

const noneLeft = (problem: string): string =>
  `no generation of the state is valid: DIR/state is damaged: ${problem}; ` +
  `DIR/state.previous is damaged: ${problem}; to begin anew, move the damaged files away`;

table("states", [
  {
    title: "none",
    act: (dir) => new PerRoundStateCheckpointer(dir).loadCheckpoint("state"),
    code: "checkpoint/missing",
    message: "there is no state at DIR/state",
  },
  {
    title: "cut off, in both generations",
    act: loadingState(everyState(cutOff)),
    code: "checkpoint/corrupt",
    message: noneLeft("it ends within its header"),
  },
  {
    title: "cut off within the first eight bytes",
    act: loadingState(
      everyState((path) => {
        cutOff(path, 0.005);
      }),
    ),
    code: "checkpoint/corrupt",
    message: noneLeft("it ends within its header"),
  },
  {
    title: "empty",
    act: loadingState(
      everyState((path) => {
        cutOff(path, 0);
      }),
    ),
    code: "checkpoint/corrupt",
    message: noneLeft("it ends within its header"),
  },
  {
    title: "with a bit turned over in the header",
    act: loadingState(
      everyState((path) => {
        flipBit(path, 0.2);
      }),
    ),
    code: "checkpoint/corrupt",
    message: noneLeft("its digest does not match its bytes"),
  },
  {
    title: "with a bit turned over in the elements",
    act: loadingState(
      everyState((path) => {
        flipBit(path, 0.99);
      }),
    ),
    code: "checkpoint/corrupt",
    message: noneLeft("its digest does not match its bytes"),
  },
  {
    title: "of a later version",
    act: loadingState(
      everyState((path) => {
        reseal(path, '"perennial.schema":"1"', '"perennial.schema":"2"');
      }),
    ),
    code: "checkpoint/newer-version",
    message: "DIR/state has schema 2, and this version of Perennial reads schemas up to 1: use a newer version",
  },
  {
    title: "in a directory that is missing",
    act: (dir) => new PerRoundStateCheckpointer(join(dir, "missing")).saveCheckpoint("state", state),
    code: "checkpoint/save-failed",
    message: "saving the state DIR/missing/state: the directory DIR/missing does not exist, and is not created",
  },
  {
    title: "in a directory that cannot be written to",
    // Even root cannot make a file there.
    act: () => new PerRoundStateCheckpointer("/sys").saveCheckpoint("state", state),
    code: "checkpoint/save-failed",
    message:
      "saving the state /sys/state: the directory /sys cannot be written to (EACCES: permission denied, open '/sys/.tmp-RANDOM-state')",
  },
]);
