// What becomes of one stored model here: its outputs against the stored ones, its gradients against central differences.
import { FederationError, firstNonFinite, messageOf, random } from "@perennial-fl/core";
import type { DType, Tensor } from "@perennial-fl/core";
import { OnnxModule } from "../../src/index.js";
import type { Graph } from "../../src/index.js";
import { numbers, open, run } from "../train.js";
import { isReal, modelOf, shifted } from "./differentiable.js";
import type { Model, Precision } from "./differentiable.js";
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
    if (model.ruleless) return { type: "forward", why: "no gradient rule" };
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
  // Off the stored point, which often lies on a kink or a tie; up, or where there is nothing, down.
  const draw = random("start and direction");
  const fixed = Object.fromEntries([...fed, ...weights]);
  const from = async (by: (x: number) => number) => {
    const start = new Map([...moved].map(([name, at]) => [name, shifted(at, by)]));
    return { start, there: await run({ ...Object.fromEntries(start), ...fixed }) };
  };
  const above = await from(() => 0.05 + 0.1 * draw.float());
  const { start, there } = Object.values(above.there).every(isFinite)
    ? above
    : await from((x) => -(0.1 + 0.1 * draw.float()) * x);
  for (const [name, at] of start) {
    const gradient = numbers(there[`gradient.${name}`]!);
    const size = lengthOf(gradient);
    const aside = (0.3 * size) / Math.sqrt(Math.max(gradient.length, 1));
    const direction = gradient.map((x) => x + aside * draw.normal());
    const longest = Math.max(lengthOf(direction), 1e-30);
    const along = direction.map((x) => x / longest);
    const expected = gradient.reduce((sum, x, i) => sum + x * along[i]!, 0);
    const loss = async (step: number): Promise<number> => {
      const there = shifted(at, (_, i) => step * along[i]!);
      return lossOf(weights, await run({ ...Object.fromEntries(start), ...fixed, [name]: there }));
    };
    const errors: number[] = [];
    for (const h of steps) {
      const [near, far] = [(await loss(h)) - (await loss(-h)), (await loss(2 * h)) - (await loss(-2 * h))];
      const error = Math.abs((8 * near - far) / (12 * h) - expected) / Math.max(size, 1e-2);
      // A wide step may leave what the operator is defined on.
      if (!Number.isNaN(error)) errors.push(error);
      if (error <= slope) break;
    }
    if (!(Math.min(...errors) <= slope)) return `gradient of ${name}: off by ${Math.min(...errors)}`;
  }
  return undefined;
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
