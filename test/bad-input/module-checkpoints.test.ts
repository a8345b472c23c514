// Checkpoints of modules that are damaged, missing, or something else: the same for every class of checkpointer.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BestLossTorchModuleCheckpointer,
  FunctionTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
} from "@perennial-fl/checkpointer";
import type { ModuleCheckpointerOptions } from "@perennial-fl/checkpointer";
import { bytesOf } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { cutOff, flipBit, reseal } from "./damage.js";
import { table } from "./table.js";
import type { Row } from "./table.js";

const module = (): OnnxModule => sequential([linear(4, 3)], { input: [4], seed: 1 });

/** Every class of module checkpointer, over one file. */
const classes = {
  BestLossTorchModuleCheckpointer: (dir: string, options: ModuleCheckpointerOptions) =>
    new BestLossTorchModuleCheckpointer(dir, "kept.onnx", options),
  FunctionTorchModuleCheckpointer: (dir: string, options: ModuleCheckpointerOptions) =>
    new FunctionTorchModuleCheckpointer(dir, "kept.onnx", (loss) => -loss, true, options),
  LatestTorchModuleCheckpointer: (dir: string, options: ModuleCheckpointerOptions) =>
    new LatestTorchModuleCheckpointer(dir, "kept.onnx", options),
};
type ClassName = keyof typeof classes;

/** Saves a module, and loads what is left of it after the damage. */
const loadingModule =
  (
    damage: (path: string) => void,
    options: ModuleCheckpointerOptions = {},
    name: ClassName = "LatestTorchModuleCheckpointer",
  ) =>
  async (dir: string) => {
    await classes[name](dir, options).maybeCheckpoint(module(), 0.5, {});
    damage(join(dir, "kept.onnx"));
    await classes[name](dir, options).loadCheckpoint();
  };

/** Ends the file within its graph. */
function shorten(path: string): void {
  cutOff(path, 0.1);
}

/** Turns over one bit of the first weights. */
function spoilWeight(path: string): void {
  const bytes = readFileSync(path);
  const weights = bytes.indexOf(bytesOf(module().parameters[0] as Tensor));
  flipBit(path, (weights + 8) / bytes.byteLength);
}

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
  ...(Object.keys(classes) as ClassName[]).flatMap((name): Row[] => [
    {
      title: `cut off, for a ${name}`,
      act: loadingModule(shorten, {}, name),
      code: "checkpoint/corrupt",
      message: "DIR/kept.onnx cannot be read: the bytes are not an ONNX ModelProto: a GraphProto is cut off",
    },
    {
      title: `with a bit turned over in a weight, for a ${name}`,
      act: loadingModule(spoilWeight, {}, name),
      code: "checkpoint/corrupt",
      message: "DIR/kept.onnx is damaged: its digest does not match its bytes",
    },
  ]),
  {
    title: "as safetensors, of a later version",
    act: loadingModule(
      (path) => {
        reseal(path, '"perennial.schema":"1"', '"perennial.schema":"2"');
      },
      { format: "safetensors" },
    ),
    code: "checkpoint/newer-version",
    message: "DIR/kept.onnx has schema 2, and this version of Perennial reads schemas up to 1: use a newer version",
  },
  {
    title: "as safetensors, with a bit turned over",
    act: loadingModule(
      (path) => {
        flipBit(path, 0.95);
      },
      { format: "safetensors" },
    ),
    code: "checkpoint/corrupt",
    message: "DIR/kept.onnx is damaged: its digest does not match its bytes",
  },
  {
    title: "a module that no checkpointer wrote",
    act: loadingModule((path) => {
      writeFileSync(path, module().toBytes());
    }),
    code: "checkpoint/corrupt",
    message:
      "DIR/kept.onnx has no digest, so it cannot be verified: read modules of other origin with OnnxModule.fromBytes",
  },
  {
    title: "what torch.save writes",
    act: loadingModule((path) => {
      writeFileSync(path, Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0));
    }),
    code: "checkpoint/corrupt",
    message:
      "DIR/kept.onnx is a pickle or a zip archive, as torch.save writes; loading one could run code. Export it to ONNX",
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
