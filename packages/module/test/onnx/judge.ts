// What becomes of one stored model here: its outputs against the stored ones, its gradients against central differences.
import { FederationError, firstNonFinite, messageOf, random, tensor, zeros } from "@perennial-fl/core";
import type { DType, Tensor } from "@perennial-fl/core";
import { graphBuilder } from "../../src/builder.js";
import { gradientsOf } from "../../src/differentiate.js";
import { OnnxModule } from "../../src/index.js";
import type { Graph, Value } from "../../src/index.js";
import { trace } from "../../src/trace.js";
import { numbers, open, run } from "../train.js";
import type { StoredModel } from "./models.js";

export type Verdict =
  /** Outputs and gradients are right; `dtype` is what the gradients were compared in. */
  | { readonly type: "gradient"; readonly dtype: DType }
  /** The outputs are right, and there is nothing to differentiate. */
  | { readonly type: "forward"; readonly why: string }
  | { readonly type: "refused"; readonly why: string }
  | { readonly type: "wrong"; readonly why: string };

export interface Judged {
  readonly model: string;
  readonly operator: string;
  readonly verdict: Verdict;
}

/** Relative to the largest element, for what comes out; relative to both lengths, for how it changes along a direction. */
const tolerances = {
  float64: { output: 1e-5, slope: 1e-6, steps: [1e-3, 1e-4, 1e-5] },
  float32: { output: 1e-4, slope: 3e-3, steps: [1e-1, 3e-2, 1e-2, 3e-3] },
} as const;

type Precision = keyof typeof tolerances;

/** Judges a model of one operator; `undefined` for one of several. */
export async function judge(stored: StoredModel): Promise<Judged | undefined> {
  // What the file is called for, where it cannot even be read.
  let operator = stored.name.replace(/^.*\/test_/, "");
  try {
    const graph = atLeastSeven(OnnxModule.fromBytes(stored.bytes).graph);
    const operators = new Set(graph.nodes.map(({ opType }) => opType).filter((opType) => opType !== "Constant"));
    if (operators.size !== 1) return undefined;
    operator = [...operators][0]!;
    return { model: stored.name, operator, verdict: await judgeGraph(graph, stored) };
  } catch (error) {
    const type = error instanceof FederationError ? "refused" : "wrong";
    return { model: stored.name, operator, verdict: { type, why: messageOf(error) } };
  }
}

/** Opset 6 means what opset 7 means, but for attributes that went away and for how the slopes of a PRelu broadcast. */
function atLeastSeven(graph: Graph): Graph {
  const gone = ["broadcast", "consumed_inputs", "is_test", "spatial"];
  const old = graph.nodes.some(
    ({ opType, attributes }) => opType === "PRelu" || gone.some((name) => name in attributes),
  );
  return graph.opset < 7 && graph.domains["ai.onnx.preview.training"] === undefined && !old
    ? { ...graph, opset: 7 }
    : graph;
}

async function judgeGraph(graph: Graph, stored: StoredModel): Promise<Verdict> {
  const [inputs, outputs] = [stored.inputs(), stored.outputs()];
  const half = [...inputs, ...outputs].some(({ dtype }) => dtype === "float16");
  if (half) return { type: "refused", why: "float16" };
  // onnxruntime has no float64 kernel for some operators, among them convolutions.
  const wide = await inPrecision("float64", graph, inputs, outputs).catch(() => undefined);
  if (wide !== undefined && wide.type !== "wrong") return wide;
  const verdict = await inPrecision("float32", graph, inputs, outputs).catch((error: unknown): Verdict => {
    if (error instanceof FederationError) throw error;
    return { type: "wrong", why: messageOf(error) };
  });
  if (verdict.type !== "wrong") return verdict;
  const own = await ownFault(graph, stored);
  return own === undefined ? verdict : { type: "refused", why: own };
}

/** What onnxruntime itself does wrong with the stored model, if anything. */
async function ownFault(graph: Graph, stored: StoredModel): Promise<string | undefined> {
  const feeds = Object.fromEntries(stored.inputs().map((value, i) => [graph.inputs[i]!.name, value]));
  try {
    const results = await run(stored.bytes, feeds);
    const outputs = graph.outputs.map(({ name }) => results[name]);
    const fault = mismatch(outputs, stored.outputs(), tolerances.float32.output);
    return fault === undefined ? undefined : "onnxruntime's own answer is another";
  } catch (error) {
    return `onnxruntime does not run it: ${messageOf(error).replace(/ node with name ''$/, "")}`;
  }
}

/** Throws what onnxruntime throws. */
async function inPrecision(
  precision: Precision,
  graph: Graph,
  inputs: readonly Tensor[],
  expected: readonly Tensor[],
): Promise<Verdict> {
  const model = modelOf(precision, graph, inputs);
  const session = await open(model.bytes);
  try {
    const results = await session.run(Object.fromEntries([...model.fed, ...model.moved, ...model.weights]));
    const found = expected.map((_, i) => results[`output.${i}`]);
    const fault = mismatch(found, expected, tolerances[precision].output);
    if (fault !== undefined) return { type: "wrong", why: fault };
    if (model.moved.size === 0) return { type: "forward", why: "no input of real numbers" };
    if (model.weights.size === 0) return { type: "forward", why: "no output of real numbers" };
    if (![...model.moved.values(), ...expected].every(isFinite)) return { type: "forward", why: "NaN or infinite" };
    // A cast between both precisions is as exact as the narrower one.
    const mixed = found.some((value) => value !== undefined && isReal(value.dtype) && value.dtype !== precision);
    const compared = mixed ? "float32" : precision;
    const wrong = await wrongSlope((feeds) => session.run(feeds), model, tolerances[compared]);
    return wrong === undefined ? { type: "gradient", dtype: compared } : { type: "wrong", why: wrong };
  } finally {
    await session.release();
  }
}

/** Which gradient differs from the slope along a direction between it and a random one, if any. */
async function wrongSlope(
  run: (feeds: Record<string, Tensor>) => Promise<Record<string, Tensor>>,
  { fed, moved, weights }: Model,
  { slope, steps }: (typeof tolerances)[Precision],
): Promise<string | undefined> {
  // Off the stored point, which often lies on a kink or a tie.
  const draw = random("start and direction");
  const start = new Map([...moved].map(([name, at]) => [name, shifted(at, () => 0.05 + 0.1 * draw.float())]));
  const fixed = Object.fromEntries([...fed, ...weights]);
  const there = await run({ ...Object.fromEntries(start), ...fixed });
  for (const [name, at] of start) {
    const gradient = numbers(there[`gradient.${name}`]!);
    const size = lengthOf(gradient);
    const aside = (0.3 * size) / Math.sqrt(Math.max(gradient.length, 1));
    const direction = gradient.map((x) => x + aside * draw.normal());
    const longest = Math.max(lengthOf(direction), 1e-30);
    const along = direction.map((x) => x / longest);
    const expected = gradient.reduce((sum, x, i) => sum + x * along[i]!, 0);
    const loss = async (step: number): Promise<number> => {
      const there = shifted(at, (i) => step * along[i]!);
      return lossOf(weights, await run({ ...Object.fromEntries(start), ...fixed, [name]: there }));
    };
    const errors: number[] = [];
    for (const h of steps) {
      const [near, far] = [(await loss(h)) - (await loss(-h)), (await loss(2 * h)) - (await loss(-2 * h))];
      errors.push(Math.abs((8 * near - far) / (12 * h) - expected) / Math.max(size, 1e-2));
      if (errors.at(-1)! <= slope) break;
    }
    if (!(Math.min(...errors) <= slope)) return `gradient of ${name}: off by ${Math.min(...errors)}`;
  }
  return undefined;
}

interface Model {
  readonly bytes: Uint8Array;
  /** The inputs of real numbers, under their names. */
  readonly moved: ReadonlyMap<string, Tensor>;
  /** The other inputs that are only known when the graph runs. */
  readonly fed: ReadonlyMap<string, Tensor>;
  /** What each output of real numbers counts in the loss. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** The model as training reads it, with every output and the gradient of a weighted sum of them all. */
function modelOf(precision: Precision, graph: Graph, inputs: readonly Tensor[]): Model {
  const g = graphBuilder();
  const moved = new Map<string, Tensor>();
  const fed = new Map<string, Tensor>();
  const constants = new Map<string, Tensor>();
  graph.inputs.forEach(({ name }, i) => {
    const held = converted(inputs[i]!, precision);
    if (isFixed(graph, name)) constants.set(name, inputs[i]!);
    else if (isReal(held.dtype)) moved.set(name, held);
    else if (["bool", "int32", "int64"].includes(held.dtype)) constants.set(name, held);
    else fed.set(name, held);
  });
  const fixed = new Map([...graph.initializers].map(([name, held]) => [name, converted(held, precision)]));
  const values = trace(
    g,
    {
      ...graph,
      inputs: [...moved, ...fed].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      nodes: [...[...constants].map(([name, value]) => constantNode(name, value)), ...graph.nodes],
      initializers: fixed,
    },
    {},
  );
  const outputs: Record<string, Value> = {};
  const weights = new Map<string, Tensor>();
  let loss: Value | undefined;
  graph.outputs.forEach(({ name }, i) => {
    const value = values.get(name);
    if (value === undefined) return;
    outputs[`output.${i}`] = value;
    if (!isReal(value.dtype)) return;
    const draw = random("weights", i);
    const weight = g.input(`weight.${i}`, value.dtype, value.shape);
    weights.set(
      weight.name,
      shifted(zeros(value.dtype, value.shape), () => draw.normal()),
    );
    const term = g.cast(g.op("ReduceSum", [g.mul(value, weight)], { keepdims: 0 }), { dtype: precision, shape: [] });
    loss = loss === undefined ? term : g.add(loss, term);
  });
  if (loss !== undefined) {
    const names = [...moved.keys()];
    const wanted = names.map((name) => values.get(name)!);
    gradientsOf(g, loss, wanted).forEach((gradient, i) => {
      const input = wanted[i]!;
      outputs[`gradient.${names[i]!}`] = gradient ?? g.mul(input, g.scalar(0, input));
    });
  }
  return { bytes: OnnxModule.fromGraph(g.graph("judged", outputs)).toBytes(), moved, fed, weights };
}

/** Inputs that only say how: they must be known before the graph runs, and nobody differentiates by them. */
function isFixed({ nodes }: Graph, name: string): boolean {
  const fixed: { readonly [operator: string]: readonly number[] } = {
    BatchNormalization: [3, 4],
    Clip: [1, 2],
    Dropout: [1],
    NegativeLogLikelihoodLoss: [2],
    OneHot: [1, 2],
    Range: [0, 1, 2],
    Pad: [2],
    Resize: [1, 2],
    SoftmaxCrossEntropyLoss: [2],
    Upsample: [1],
  };
  return nodes.some(({ opType, inputs }) => fixed[opType]?.some((i) => inputs[i] === name));
}

function constantNode(name: string, value: Tensor): Graph["nodes"][number] {
  const attributes = { value: { type: "tensor", value } } as const;
  return { name: "", opType: "Constant", domain: "", inputs: [], outputs: [name], attributes };
}

function isReal(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

function converted(value: Tensor, precision: Precision): Tensor {
  if (!isReal(value.dtype)) return value;
  return tensor(precision, value.shape, arrayOf(precision, numbers(value)));
}

function arrayOf(dtype: DType, values: readonly number[]): Float32Array | Float64Array {
  return dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
}

function shifted(at: Tensor, by: (i: number) => number): Tensor {
  const values = numbers(at).map((x, i) => x + by(i));
  return tensor(at.dtype, at.shape, arrayOf(at.dtype, values));
}

function lossOf(weights: ReadonlyMap<string, Tensor>, outputs: Record<string, Tensor>): number {
  let loss = 0;
  for (const [name, weight] of weights) {
    const values = numbers(outputs[name.replace("weight", "output")]!);
    loss += numbers(weight).reduce((sum, w, i) => sum + w * values[i]!, 0);
  }
  return loss;
}

/** Says which output is another than it should be, if any. */
function mismatch(
  found: readonly (Tensor | undefined)[],
  expected: readonly Tensor[],
  tolerance: number,
): string | undefined {
  for (const [i, wanted] of expected.entries()) {
    const own = found[i];
    // An output that nobody reads may be missing.
    if (own === undefined) continue;
    if (own.shape.join() !== wanted.shape.join())
      return `output ${i} is [${own.shape.join()}], not [${wanted.shape.join()}]`;
    const worst = difference(numbers(own), numbers(wanted));
    if (!(worst <= tolerance)) return `output ${i} is off by ${worst}`;
  }
  return undefined;
}

function difference(found: readonly number[], expected: readonly number[]): number {
  const scale = expected.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1e-3);
  const distance = (a: number, b: number): number => (Object.is(a, b) || a === b ? 0 : Math.abs(a - b) / scale);
  return expected.reduce((worst, x, i) => Math.max(worst, distance(found[i]!, x)), 0);
}

function isFinite(value: Tensor): boolean {
  return firstNonFinite(value) === -1;
}

function lengthOf(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
}
