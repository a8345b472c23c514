// The data of `perennial train`: what is read from tables and tensors, and what a person reads where that is not possible.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { encodeNpy } from "@perennial-fl/transport";
import { expect } from "chai";
import { readTable } from "../src/data/csv.js";
import type { TableOptions } from "../src/data/csv.js";
import { openData } from "../src/data/open.js";
import type { DataArguments } from "../src/data/open.js";
import { datasetSha256, split } from "../src/data/split.js";

const table = (text: string, options: Partial<TableOptions> = {}) =>
  readTable(text, { labelsAreClasses: true, ...options }, "t.csv");

describe("A table", () => {
  it("gives numbers in the order of its columns, and the label column as classes", () => {
    const { columns, inputs, targets } = table('\ufeffid,kind,"a, b",c\r\n1,cat,"1.5",-2e1\r\n\r\n2,dog,.25,+3\r\n', {
      label: "kind",
      ignore: ["id"],
      classes: ["dog", "cat"],
    });
    expect(columns).to.deep.equal(["a, b", "c"]);
    expect(inputs).to.deep.equal(float32([2, 2], [1.5, -20, 0.25, 3]));
    expect(targets).to.deep.equal(tensor("int64", [2], BigInt64Array.of(1n, 0n)));
  });

  it("takes the last column for the label, as a value where the loss wants one", () => {
    expect(table("a,b\n1,2.5\n3,4", { labelsAreClasses: false }).targets).to.deep.equal(float32([2], [2.5, 4]));
    expect(table("a,b\n1,2.0\n3,4").targets.data).to.deep.equal(BigInt64Array.of(2n, 4n));
  });

  const refusals: readonly [text: string, options: Partial<TableOptions>, why: string][] = [
    ["", {}, "it is empty"],
    ["a,b\n", {}, "it has a row of names [a, b] and no examples"],
    ["a,a\n1,2", {}, 'two of its columns are named "a"'],
    ["a,b\n1,2", { label: "y" }, 'it has no column "y" as --label says, only [a, b]'],
    ["a,b\n1,2", { ignore: ["c"] }, 'it has no column "c" as --ignore says, only [a, b]'],
    ["a\n1", {}, "no column of [a] is left beside the label"],
    ["a,b\n1,2\n3", {}, "line 3 has 1 cells where there are 2 columns"],
    ['a,b\n"1\n",0\nx,1', {}, 'line 4, column "a" holds "x", which is not a number'],
    ["a,b\n,0", {}, 'line 2, column "a" holds "", which is not a number'],
    ["a,b\n1e99,0", {}, 'line 2, column "a" holds "1e99", which is not a number'],
    ["a,b\n0x1,0", {}, 'line 2, column "a" holds "0x1", which is not a number'],
    [
      "a,b\n1,cat",
      {},
      'line 2, column "b" holds "cat", which is not the whole number of a class (name classes with --classes)',
    ],
    ["a,b\n1,2.5", {}, 'line 2, column "b" holds "2.5", which is not the whole number of a class'],
    ["a,b\n1,cow", { classes: ["cat"] }, 'line 2, column "b" holds "cow", which is not one of --classes [cat]'],
    ["a,b\n1,3", { classCount: 3 }, 'line 2, column "b" holds "3", which is not a class: labels run from 0 to 2'],
    ["a,b\n1,-1", {}, 'line 2, column "b" holds "-1", which is not a class'],
    ['a,b\n1,"2\n', {}, "line 2 has a quotation mark that does not belong there or has no end"],
  ];
  for (const [text, options, why] of refusals) {
    it(`is refused: ${why}`, () => {
      expect(() => table(text, options)).to.throw(`reading t.csv: ${why}`);
    });
  }
});

describe("Data", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perennial-data-"));
    const npy = (directory: string, inputs: Tensor, targets: Tensor): void => {
      mkdirSync(join(folder, directory));
      writeFileSync(join(folder, directory, "inputs.npy"), Buffer.concat([...encodeNpy(inputs)]));
      writeFileSync(join(folder, directory, "targets.npy"), Buffer.concat([...encodeNpy(targets)]));
    };
    const labels = tensor("uint8", [2], Uint8Array.of(0, 1));
    npy("images", tensor("uint8", [2, 4], Uint8Array.of(0, 255, 1, 2, 3, 4, 5, 6)), labels);
    npy("halves", float32([1, 4], [1, 2, 3, 4]), float32([1], [0.5]));
    npy("whole", float32([2, 4], new Float32Array(8)), float32([2], [0, 1]));
    npy("third", float32([2, 4], new Float32Array(8)), tensor("int8", [2], Int8Array.of(0, 2)));
    npy("nan", float32([2, 4], [1, 2, 3, 4, 5, NaN, 7, 8]), labels);
    npy("wide", float32([2, 5], new Float32Array(10)), labels);
    npy("fewer", float32([3, 4], new Float32Array(12)), labels);
    npy("none", float32([0, 4], []), tensor("uint8", [0], Uint8Array.of()));
    writeFileSync(join(folder, "cut.safetensors"), "12345");
    writeFileSync(join(folder, "t.csv"), "a,b,c\n1,2,0\n");
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "nothing.js"), "export const x = 1;");
    writeFileSync(join(folder, "other.js"), "export default () => ({ train: 5 });");
    writeFileSync(
      join(folder, "app.js"),
      `const held = { inputs: { dtype: "float32", shape: [1, 4], data: new Float32Array(4) },
        targets: { dtype: "int32", shape: [1], data: new Int32Array(1) } };
      export default ({ arguments: given }) => ({ train: held, validation: given[0] === "judged" ? held : undefined });`,
    );
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const wanted = {
    inputs: { dtype: "float32", shape: [1, 1, 2, 2] },
    targets: { dtype: "int64", shape: [1] },
    classes: 2,
  } as const;
  const open = (given: Partial<DataArguments>, ...app: string[]) => {
    const path = (name: string | undefined) => (name === undefined ? undefined : join(folder, name));
    const [data, file] = [path(given.data), path(given.app)];
    const files = { ...(data !== undefined && { data }), ...(file !== undefined && { app: file }) };
    return openData({ validation: 0, seed: 1, ...given, ...files }, wanted, app);
  };

  it("of whole numbers become float32 of the module's shape", async () => {
    const { train } = await open({ data: "images" });
    expect(train.inputs).to.deep.equal(float32([2, 1, 2, 2], [0, 255, 1, 2, 3, 4, 5, 6]));
    expect(train.targets.dtype).to.equal("uint8");
    expect((await open({ data: "whole" })).train.targets).to.deep.equal(tensor("int64", [2], BigInt64Array.of(0n, 1n)));
  });

  it("of an app are trained on and judged by as it says, or a share of them is held out", async () => {
    expect((await open({ app: "app.js" }, "judged")).validation?.inputs.shape).to.deep.equal([1, 1, 2, 2]);
    expect((await open({ app: "app.js" })).validation).to.equal(undefined);
  });

  it("that are held out are never trained on, and are the same for the same seed", () => {
    const count = 20;
    const dataset = {
      inputs: float32(
        [count, 1],
        Float32Array.from({ length: count }, (_, i) => i),
      ),
      targets: tensor(
        "int32",
        [count],
        Int32Array.from({ length: count }, (_, i) => i),
      ),
    };
    const { train, validation } = split(dataset, 0.25, 7);
    const held = [...(validation?.targets.data ?? [])];
    expect(held).to.have.length(5);
    expect([...train.targets.data, ...held].map(Number).sort((a, b) => a - b)).to.deep.equal([...dataset.targets.data]);
    expect([...(validation?.inputs.data ?? [])]).to.deep.equal(held);
    expect(datasetSha256(split(dataset, 0.25, 7).train)).to.equal(datasetSha256(train));
    expect(datasetSha256(split(dataset, 0.25, 8).train)).to.not.equal(datasetSha256(train));
    expect(() => split(dataset, 1, 7)).to.throw("20 of 20 examples would be held out");
  });

  const refusals: readonly [given: Partial<DataArguments>, message: string][] = [
    [{}, "the data come from --data or from --app, and neither was given"],
    [{ data: "images", app: "app.js" }, "and both were given"],
    [{ data: "missing" }, "missing: there is no such file"],
    [{ data: "package.json" }, "package.json: data are a .csv or .safetensors file, or a directory"],
    [{ data: "." }, "a directory of data holds inputs.npy and targets.npy"],
    [{ data: "wide" }, "wide: inputs are float32[2, 5] where the module takes float32[2, 1, 2, 2]"],
    [{ data: "halves" }, "halves: targets are float32[1] with 0.5 in example 0 where the module takes whole numbers"],
    [{ data: "third" }, "third: targets hold the label 2 in example 1 where labels run from 0 to 1"],
    [{ data: "nan" }, "nan: inputs hold NaN in example 1"],
    [{ data: "fewer" }, "fewer: inputs are float32[3, 4] and targets uint8[2]: not as many examples in both"],
    [{ data: "none" }, "none: it holds no examples: inputs are float32[0, 4]"],
    [{ data: "cut.safetensors" }, "is damaged: it ends within its header"],
    [
      { data: "t.csv" },
      "it has 2 columns beside the label [a, b], and the module takes 4 numbers an example, of shape [1, 2, 2]",
    ],
    [{ app: "nothing.js" }, 'must export data as its default or as "data", and it exports x'],
    [{ app: "other.js" }, "gives neither { inputs, targets } nor { train, validation } of such tensors"],
  ];
  for (const [given, message] of refusals) {
    it(`are refused: ${message}`, async () => {
      const error: unknown = await open(given).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(Error).with.property("message").that.includes(message);
    });
  }
});
