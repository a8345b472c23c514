// Local training on what cannot be trained on: one line that names it, and nothing on the disk.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { OnnxModule, linear, relu, sequential } from "@perennial-fl/module";
import { expect } from "chai";
import { runCommand } from "perennial-fl";
import { field, message } from "./protobuf.js";
import { freshDirectory, legible } from "./table.js";

interface Row {
  readonly title: string;
  /** What is typed after `perennial train`, beside epochs and a state directory. */
  readonly typed: string;
  readonly exit: number;
  /** The one line on standard error. */
  readonly says: string;
}

/** An ONNX file of one initializer `w` of this ONNX element type, with so many bytes. */
const weightsOf = (dataType: number, bytes: number): Buffer =>
  message(
    field(1, 8),
    field(7, field(5, message(field(1, 2), field(2, dataType), field(8, "w"), field(9, new Uint8Array(bytes))))),
  );

/** The files that the rows speak of. */
function furnish(dir: string): void {
  const write = (name: string, content: string | Uint8Array): void => {
    writeFileSync(join(dir, name), content);
  };
  const module = sequential([linear(2, 3), relu(), linear(3, 3)], { input: [2], seed: 1 });
  const weights: [string, Tensor] = ["w", float32([2, 2], [1, 2, 3, 4])];
  write("model.onnx", module.toBytes());
  write("cut.onnx", module.toBytes().subarray(0, 100));
  write("half.onnx", weightsOf(10, 4));
  write("quantised.onnx", weightsOf(3, 2));
  const node = (opType: string, inputs: string[], output: string) => ({
    name: `make ${output}`,
    opType,
    domain: "",
    inputs,
    outputs: [output],
    attributes: {},
  });
  const odd = OnnxModule.fromGraph({
    name: "g",
    opset: 18,
    domains: {},
    nodes: [node("MatMul", ["x", "w"], "h"), node("Hardmax", ["h"], "z"), node("NonZero", ["z"], "y")],
    inputs: [{ name: "x", dtype: "float32", shape: ["n", 2] }],
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([weights, ["count", tensor("int64", [], BigInt64Array.of(1n))]]),
    valueInfos: [],
  });
  write("odd.onnx", odd.toBytes());
  write("good.csv", "a,b,kind\n1,2,0\n3,4,1\n5,6,2\n7,8,0\n");
  write("wide.csv", "a,b,c,kind\n1,2,3,0\n");
  write("other.csv", "a,b,kind\n1,2,0\n3,4,3\n");
  write("empty.csv", "a,b,kind\n");
  write("word.csv", "a,b,kind\n1,2,0\n3,four,1\n");
}

const data = "--module DIR/model.onnx --data DIR";
const rows: readonly Row[] = [
  {
    title: "operators that cannot be trained",
    typed: "--module DIR/odd.onnx --data DIR/good.csv",
    exit: 4,
    says: 'error: training --module DIR/odd.onnx: Hardmax node "make z": Hardmax of opset 18 is not supported; let the module end before it, or say it in the operators of FEATURES.md (and 1 more: perennial inspect DIR/odd.onnx) (model/unsupported)',
  },
  {
    title: "a module in half precision",
    typed: "--module DIR/half.onnx --data DIR/good.csv",
    exit: 4,
    says: 'error: reading --module DIR/half.onnx: reading a module: its weights "w" are float16; export the model with float32 weights (model/unsupported)',
  },
  {
    title: "a quantised module",
    typed: "--module DIR/quantised.onnx --data DIR/good.csv",
    exit: 4,
    says: 'error: reading --module DIR/quantised.onnx: reading a module: its weights "w" are int8; export the model with float32 weights (model/unsupported)',
  },
  {
    title: "a module that was cut off",
    typed: "--module DIR/cut.onnx --data DIR/good.csv",
    exit: 4,
    says: "error: reading --module DIR/cut.onnx: the bytes are not an ONNX ModelProto: a GraphProto is cut off (model/corrupt)",
  },
  {
    title: "data of another width than the module's",
    typed: `${data}/wide.csv`,
    exit: 4,
    says: "error: reading --data DIR/wide.csv: it has 3 columns beside the label [a, b, c], and the module takes 2 numbers an example, of shape [2]; see --ignore and --label (data/invalid)",
  },
  {
    title: "a label that is no class",
    typed: `${data}/other.csv`,
    exit: 4,
    says: 'error: reading --data DIR/other.csv: line 3, column "kind" holds "3", which is not a class: labels run from 0 to 2 (data/invalid)',
  },
  {
    title: "a word among numbers",
    typed: `${data}/word.csv`,
    exit: 4,
    says: 'error: reading --data DIR/word.csv: line 3, column "b" holds "four", which is not a number (data/invalid)',
  },
  {
    title: "no examples",
    typed: `${data}/empty.csv`,
    exit: 4,
    says: "error: reading --data DIR/empty.csv: it has a row of names [a, b, kind] and no examples (data/invalid)",
  },
  {
    title: "a loss that there is not",
    typed: `${data}/good.csv --loss hinge`,
    exit: 2,
    says: 'error: --loss is one of cross-entropy, bce-with-logits, mse, mae, huber, not "hinge" (argument/invalid)',
  },
  {
    title: "an accuracy to judge by that the loss does not know",
    typed: `${data}/good.csv --loss mse --best-by accuracy`,
    exit: 2,
    says: "error: --best-by accuracy: the loss mse knows no accuracy (argument/invalid)",
  },
  {
    title: "parameters to freeze that there are not",
    typed: `${data}/good.csv --freeze head`,
    exit: 2,
    says: "error: --freeze head: no parameter begins so, of [0.weight, 0.bias, 2.weight, 2.bias] (argument/invalid)",
  },
];

/** Runs the command in this process, and gives what it wrote on standard error. */
async function perennial(args: readonly string[]): Promise<{ readonly exit: number; readonly stderr: string }> {
  const streams = [process.stdout, process.stderr] as const;
  const originals = streams.map((stream) => stream.write.bind(stream));
  let stderr = "";
  process.stdout.write = () => true;
  process.stderr.write = (text: string | Uint8Array) => {
    stderr += String(text);
    return true;
  };
  try {
    return { exit: await runCommand(args), stderr };
  } finally {
    streams.forEach((stream, i) => (stream.write = originals[i] as typeof stream.write));
  }
}

describe("bad input: for local training", () => {
  const type = (typed: string, dir: string): string[] =>
    ["train", ...typed.split(" "), "--epochs", "3", "--state-dir", "DIR/state"].map((word) => word.replace("DIR", dir));

  for (const { title, typed, exit, says } of rows) {
    it(title, async () => {
      const dir = freshDirectory();
      furnish(dir);
      const ended = await perennial(type(typed, dir));
      expect(legible(ended.stderr, dir)).to.equal(`${says}\n`);
      expect(ended.exit).to.equal(exit);
      expect(existsSync(join(dir, "state"))).to.equal(false);
    });
  }

  it("a loss that is no number any more: epoch and step are named, and nothing is written", async () => {
    const dir = freshDirectory();
    furnish(dir);
    const typed = `${data}/good.csv --optimizer sgd --learning-rate 1e30 --batch-size 1 --validation 0`;
    const { exit, stderr } = await perennial(type(typed, dir));
    expect(exit).to.equal(7);
    expect(stderr).to.match(
      /^error: training diverged: .* in epoch 1, step [234]; nothing was trained before \(trainer\/failed\)\n$/,
    );
    expect(readdirSync(join(dir, "state"))).to.deep.equal([]);
  });
});
