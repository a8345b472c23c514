// The models of ONNX's own test data, each with its inputs and the outputs that it must give.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "@perennial-fl/core";
import { decode } from "../../src/proto/codec.js";
import { tensorOf } from "../../src/proto/tensors.js";

/** Where Debian's package libonnx-testdata puts them. */
const debian = "/usr/share/libonnx-testdata/data";

export const directory = process.env["PERENNIAL_ONNX_TESTDATA"] ?? debian;

/** One operator alone, and layers as PyTorch once exported them; not the operators written out in others. */
const kinds = ["node", "pytorch-converted", "pytorch-operator"];

export interface StoredModel {
  /** `node/test_abs`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The tensors of its first set of data. Reading one that is no tensor throws. */
  readonly inputs: () => readonly Tensor[];
  readonly outputs: () => readonly Tensor[];
}

export function storedModels(): StoredModel[] {
  return kinds.flatMap((kind) => {
    if (!existsSync(join(directory, kind))) return [];
    const names = readdirSync(join(directory, kind)).filter((name) => !name.endsWith("_expanded"));
    return names
      .filter((name) => !/_expanded(_|$)/.test(name) && existsSync(join(directory, kind, name, "model.onnx")))
      .sort()
      .map((name) => ({
        name: `${kind}/${name}`,
        bytes: readFileSync(join(directory, kind, name, "model.onnx")),
        inputs: () => tensorsOf(join(directory, kind, name), "input"),
        outputs: () => tensorsOf(join(directory, kind, name), "output"),
      }));
  });
}

function tensorsOf(folder: string, kind: "input" | "output"): Tensor[] {
  const set = join(folder, "test_data_set_0");
  const count = readdirSync(set).filter((name) => name.startsWith(`${kind}_`)).length;
  return Array.from({ length: count }, (_, i) => {
    const file = join(set, `${kind}_${i}.pb`);
    return tensorOf(decode("TensorProto", readFileSync(file)), file);
  });
}
