// What leaves a train step when its optimizer is done in memory, and the kernels that do it.
import { float32, zeros } from "@perennial-fl/core";
import { expect } from "chai";
import {
  accumulate,
  adam,
  batchNorm2d,
  conv2d,
  crossEntropy,
  flatten,
  graphBuilder,
  linear,
  lower,
  OnnxModule,
  proximal,
  relu,
  sequential,
  sgd,
  trainingGraph,
} from "../src/index.js";
import type { Optimizer } from "../src/index.js";
import { kernels } from "../src/lowering/kernel.js";
import type { Operation } from "../src/lowering/kernel.js";

const rate = { learningRate: 0.1 };

function updatesOf(module: OnnxModule, optimizer: Optimizer, frozen: (name: string) => boolean = () => false) {
  const made = trainingGraph(module, { loss: crossEntropy(), optimizer, batchSize: 4, frozen });
  const { graph } = OnnxModule.fromBytes(made.model);
  const references = made.references.map(({ name }) => name);
  const lowered = lower(graph, { lowerings: ["updates-in-place"], references });
  return {
    outputs: lowered.graph.outputs.map(({ name }) => name),
    operators: lowered.graph.nodes.map(({ opType }) => opType),
    ...lowered.updates,
  };
}

const dense = sequential([linear(3, 4), relu(), linear(4, 2)], { input: [3], seed: 1 });

describe("A train step without its updates", () => {
  it("gives a loss, a gradient for each parameter, and the single values that the updates need", () => {
    const { outputs, gradients = [], calls = [], inPlace } = updatesOf(dense, adam(rate));
    expect(inPlace).to.have.members(dense.parameterNames.flatMap((name) => [name, `adam.m.${name}`, `adam.v.${name}`]));
    expect(gradients.map(({ shape }) => shape.join())).to.have.members(["4,3", "4", "2,4", "2"]);
    const scalars = new Set(calls.flatMap((call) => call.scalars));
    expect(outputs).to.have.members(["loss", "new.adam.step", ...gradients.map(({ name }) => name), ...scalars]);
  });

  it("has one kernel for all parameters that are updated alike", () => {
    expect(new Set(updatesOf(dense, adam(rate)).calls?.map(({ kernel }) => kernel)).size).to.equal(1);
  });

  it("leaves frozen parameters where they are, without any work", () => {
    const { inPlace = [], calls = [], outputs } = updatesOf(dense, sgd(rate), (name) => name.startsWith("0."));
    expect(inPlace).to.include.members(["0.weight", "0.bias"]);
    expect(calls.length).to.equal(2);
    expect(outputs.some((name) => name.includes("0."))).to.equal(false);
  });

  it("adds up the gradients of a weight that is used twice before they leave the graph", () => {
    const g = graphBuilder();
    const weight = g.initializer("weight", zeros("float32", [3, 3]));
    const x = g.input("x", "float32", [4, 3]);
    const logits = g.op("MatMul", [g.op("Tanh", [g.op("MatMul", [x, weight])]), weight]);
    const { gradients, operators } = updatesOf(OnnxModule.fromGraph(g.graph("tied", { logits })), sgd(rate));
    expect(gradients?.length).to.equal(1);
    expect(operators).to.include("Add");
  });

  it("keeps running statistics in place like parameters, and only reads an anchor", () => {
    const layers = [conv2d(1, 2, 3), batchNorm2d(2), flatten(), linear(8, 2)];
    const module = sequential(layers, { input: [1, 4, 4], seed: 1 });
    const { inPlace, read } = updatesOf(module, proximal(0.1, sgd(rate)));
    expect(inPlace).to.have.members(module.parameterNames);
    const statistics = module.parameterNames.filter((name) => /running/.test(name));
    expect(statistics.length).to.equal(2);
    const trained = module.parameterNames.filter((name) => !statistics.includes(name));
    expect(read).to.have.members(trained.map((name) => `anchor.${name}`));
  });

  it("keeps what an optimizer waits for apart from what it does", () => {
    const { inPlace } = updatesOf(dense, accumulate(2, sgd(rate)));
    expect(inPlace).to.have.members(dense.parameterNames.flatMap((name) => [name, `accumulate.sum.${name}`]));
  });

  it("is the plain one where nothing is updated by single elements", () => {
    const g = graphBuilder();
    const scale = g.initializer("scale", float32([1], [1]));
    const logits = g.mul(g.input("x", "float32", [4, 3]), scale);
    const { calls, outputs } = updatesOf(OnnxModule.fromGraph(g.graph("scaled", { logits })), sgd(rate));
    expect(calls).to.equal(undefined);
    expect(outputs).to.have.members(["loss", "new.scale"]);
  });
});

describe("A kernel", () => {
  const [a, b] = [
    [1.5, -2, 0, 1e-30, 3, -0, 7, 0.1],
    [0.3, 5, -1, 1e-30, 9, 2, -7, 0.2],
  ] as const;
  const expected: { readonly [O in Operation]: (x: number, y: number) => number } = {
    abs: (x) => Math.abs(x),
    neg: (x) => -x,
    sqrt: (x) => Math.sqrt(x),
    add: (x, y) => x + y,
    sub: (x, y) => x - y,
    mul: (x, y) => x * y,
    div: (x, y) => x / y,
    min: (x, y) => Math.min(x, y),
    max: (x, y) => Math.max(x, y),
    // By the scalar, which is not 0.
    select: (x) => x,
  };
  for (const [operation, meant] of Object.entries(expected) as [Operation, (x: number, y: number) => number][]) {
    it(`does to every element what is meant: ${operation}`, () => {
      const single = ["abs", "neg", "sqrt"].includes(operation);
      const operands = [
        ["array", 0],
        ["array", 1],
        ["scalar", 0],
      ] as const;
      const count = single ? 1 : operation === "select" ? 3 : 2;
      const program = {
        arrays: 3,
        scalars: 1,
        instructions: [{ operation, operands: operands.slice(0, count) }],
        stores: [[2, ["result", 0]]],
      } as const;
      const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
      const memory = new api.Memory({ initial: 1 });
      const { exports } = new api.Instance(new api.Module(kernels([program])), { memory: { memory } });
      const arrays = [0, 32, 64].map((at) => new Float32Array(memory.buffer, at, 8));
      arrays[0]?.set(a);
      arrays[1]?.set(b);
      exports["0"]?.(0, 32, 64, 1, 32);
      expect([...(arrays[2] ?? [])]).to.deep.equal(
        a.map((x, i) => Math.fround(meant(Math.fround(x), Math.fround(b[i] ?? 0)))),
      );
    });
  }
});

/** TypeScript declares it for browsers only. */
interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, (...values: number[]) => void>> };
}
