// Checkpoints and states that are damaged, misnamed, out of place, or not what can be kept.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BestLossTorchModuleCheckpointer,
  FunctionTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  PerRoundStateCheckpointer,
} from "@perennial-fl/checkpointer";
import type { ModuleFormat } from "@perennial-fl/checkpointer";
import type { SavedState } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { cutOff, filesLike, flipBit, reseal } from "./damage.js";
import { table } from "./table.js";
import type { Row } from "./table.js";

const module = (): OnnxModule => sequential([linear(4, 3)], { input: [4], seed: 1 });
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

const loadingModule =
  (damage: (path: string) => void, format: ModuleFormat = "onnx") =>
  async (dir: string) => {
    const checkpointer = new LatestTorchModuleCheckpointer(dir, "latest.onnx", { format });
    await checkpointer.maybeCheckpoint(module(), 0.5, {});
    damage(checkpointer.checkpointPath);
    await new LatestTorchModuleCheckpointer(dir, "latest.onnx").loadCheckpoint();
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
  `no generation of the state is valid: DIR/state is damaged: ${problem} (set aside as state.corrupt-1); ` +
  `DIR/state.previous is damaged: ${problem} (set aside as state.previous.corrupt-1)`;

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

table("checkpoints of modules", [
  {
    title: "none",
    act: (dir) => new BestLossTorchModuleCheckpointer(dir, "best.onnx").loadCheckpoint(),
    code: "checkpoint/missing",
    message: "there is no checkpoint at DIR/best.onnx",
  },
  {
    title: "a directory in its place",
    act: (dir) => {
      mkdirSync(join(dir, "best.onnx"));
      return new BestLossTorchModuleCheckpointer(dir, "best.onnx").loadCheckpoint();
    },
    code: "checkpoint/missing",
    message: "DIR/best.onnx is a directory, not a checkpoint",
  },
  {
    title: "a link in its place",
    act: async (dir) => {
      await new LatestTorchModuleCheckpointer(dir, "latest.onnx").maybeCheckpoint(module(), 0.5, {});
      symlinkSync(join(dir, "latest.onnx"), join(dir, "best.onnx"));
      await new BestLossTorchModuleCheckpointer(dir, "best.onnx").loadCheckpoint();
    },
    code: "checkpoint/missing",
    message: "DIR/best.onnx is a link or a device, not a checkpoint",
  },
  {
    title: "cut off",
    act: loadingModule((path) => {
      cutOff(path);
    }),
    code: "checkpoint/corrupt",
    message: "DIR/latest.onnx cannot be read: the bytes are not an ONNX ModelProto: a GraphProto is cut off",
  },
  {
    title: "with a bit turned over in a weight",
    act: loadingModule((path) => {
      flipBit(path, 0.5);
    }),
    code: "checkpoint/corrupt",
    message: "DIR/latest.onnx is damaged: its digest does not match its bytes",
  },
  {
    title: "as safetensors, with a bit turned over",
    act: loadingModule((path) => {
      flipBit(path, 0.95);
    }, "safetensors"),
    code: "checkpoint/corrupt",
    message: "DIR/latest.onnx is damaged: its digest does not match its bytes",
  },
  {
    title: "a module that no checkpointer wrote",
    act: loadingModule((path) => {
      writeFileSync(path, module().toBytes());
    }),
    code: "checkpoint/corrupt",
    message:
      "DIR/latest.onnx has no digest, so it cannot be verified: read modules of other origin with OnnxModule.fromBytes",
  },
  {
    title: "what torch.save writes",
    act: loadingModule((path) => {
      writeFileSync(path, Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0));
    }),
    code: "checkpoint/corrupt",
    message:
      "DIR/latest.onnx is a pickle or a zip archive, as torch.save writes; loading one could run code. Export it to ONNX",
  },
  {
    title: "a score that is no number",
    act: (dir) =>
      new FunctionTorchModuleCheckpointer(
        dir,
        "best.onnx",
        (_loss, metrics) => metrics["accuracy"] as number,
      ).maybeCheckpoint(module(), 0.5, {}),
    code: "argument/invalid",
    message: "scoring a module for DIR/best.onnx: the score function gave undefined, which is not a number",
  },
  {
    title: "in a directory that is missing",
    act: (dir) =>
      new BestLossTorchModuleCheckpointer(join(dir, "missing"), "best.onnx").maybeCheckpoint(module(), 0.5, {}),
    code: "storage/directory",
    message: "the directory DIR/missing does not exist, and is not created",
  },
]);
