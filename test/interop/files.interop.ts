// Other people's readers on our files: onnx and onnxruntime on modules, safetensors on states, PyTorch's load_state_dict.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { BestLossTorchModuleCheckpointer, PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { float32 } from "@perennial-fl/core";
import { linear, relu, sequential } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { expect } from "chai";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { temporaryDirectory } from "../support/temporary.js";
import { interpreters, pythonWith } from "./python.js";

const pythons = interpreters("PERENNIAL_PYTHON", "PERENNIAL_BENCH_PYTHON");

/** What a program prints as JSON, given its arguments. */
function run(python: string, program: string, ...args: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(python, ["-c", program, ...args], { encoding: "utf8" });
  expect(status, stderr).to.equal(0);
  return JSON.parse(stdout);
}

const module: OnnxModule = sequential([linear(3, 4), relu(), linear(4, 2)], { input: [3], seed: 7 });
const values = module.parameters.map(({ data }) => Array.from(data, Number));

/** A checkpoint of the module, as a checkpointer writes it. */
async function checkpoint(name: string, format: "onnx" | "safetensors"): Promise<string> {
  const directory = temporaryDirectory();
  await new BestLossTorchModuleCheckpointer(directory, name, { format }).maybeCheckpoint(module, 0.5, {});
  return join(directory, name);
}

interface Row {
  readonly title: string;
  readonly packages: readonly string[];
  readonly check: (python: string) => Promise<void>;
}

const rows: readonly Row[] = [
  {
    title: "onnx.checker finds nothing wrong with best.onnx, and onnx reads the same values and metadata",
    packages: ["onnx", "numpy"],
    check: async (python) => {
      const program = `
import json, sys, onnx
from onnx import numpy_helper
onnx.checker.check_model(sys.argv[1], full_check=True)
model = onnx.load(sys.argv[1])
print(json.dumps({
    "loss": {entry.key: entry.value for entry in model.metadata_props}["perennial.loss"],
    "values": [numpy_helper.to_array(each).ravel().tolist() for each in model.graph.initializer],
}))`;
      const read = run(python, program, await checkpoint("best.onnx", "onnx")) as { loss: string; values: unknown };
      expect(Number(read.loss)).to.equal(0.5);
      expect(read.values).to.deep.equal(values);
    },
  },
  {
    title: "safetensors opens a state file and reads the same values",
    packages: ["safetensors", "numpy"],
    check: async (python) => {
      const directory = temporaryDirectory();
      const state = { kind: "server-state", round: 3, parameters: module.parameters };
      await new PerRoundStateCheckpointer(directory).saveCheckpoint("server-state", state);
      const program = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as file:
    print(json.dumps({name: file.get_tensor(name).ravel().tolist() for name in file.keys()}))`;
      const read = run(python, program, join(directory, "server-state")) as Record<string, number[]>;
      expect(Object.keys(read)).to.have.length(values.length);
      values.forEach((expected, i) => {
        expect(read[`parameters.${i}`] ?? read[`parameters[${i}]`], Object.keys(read).join()).to.deep.equal(expected);
      });
    },
  },
  {
    title: "PyTorch's load_state_dict takes a module's safetensors file as it is",
    packages: ["torch", "safetensors.torch"],
    check: async (python) => {
      const program = `
import json, sys, torch
from safetensors.torch import load_file
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
print(json.dumps([str(model.load_state_dict(load_file(sys.argv[1]))),
                  [each.flatten().tolist() for each in model.state_dict().values()]]))`;
      const read = run(python, program, await checkpoint("best.safetensors", "safetensors"));
      expect(read).to.deep.equal(["<All keys matched successfully>", values]);
    },
  },
];

describe("files that others read:", () => {
  for (const { title, packages, check } of rows) {
    const python = pythonWith(packages, pythons);
    if (python === undefined) {
      console.log(`skipped: ${title}, because none of ${pythons.join(", ")} has ${packages.join(" and ")}`);
    }
    (python === undefined ? it.skip : it)(title, () => check(python ?? "")).timeout(120_000);
  }

  it("onnxruntime runs best.onnx", async () => {
    const session = await InferenceSession.create(await checkpoint("best.onnx", "onnx"));
    const [input = ""] = session.inputNames;
    const [output = ""] = session.outputNames;
    const given = float32([1, 3], [1, -2, 3]);
    const outputs = await session.run({ [input]: new Tensor("float32", given.data as Float32Array, [1, 3]) });
    const [weight1 = [], bias1 = [], weight2 = [], bias2 = []] = values;
    const layer = (weight: number[], bias: number[], x: number[]): number[] =>
      bias.map((b, row) => x.reduce((sum, each, i) => sum + each * (weight[row * x.length + i] ?? NaN), b));
    const hidden = layer(weight1, bias1, [1, -2, 3]).map((each) => Math.max(each, 0));
    const expected = layer(weight2, bias2, hidden);
    const found = Array.from(outputs[output]?.data as Float32Array);
    expect(found).to.have.length(2);
    found.forEach((each, i) => expect(each).to.be.closeTo(expected[i] ?? NaN, 1e-5));
  });
});
