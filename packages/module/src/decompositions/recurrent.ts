// Recurrent layers, one step after the other: the length of the sequence is known, and the steps are laid out.
import { FederationError, assert, tensor } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { describeNode, intOf, stringOf } from "../graph.js";
import type { Node } from "../graph.js";
import { fill } from "../gradient/site.js";
import type { Decomposition } from "./decomposition.js";

/** One direction of a layer. Gates are rows of the weights, `hidden` each, in ONNX's order. */
interface Cell {
  /** The input's part of all gates for every step: [batch, gates * hidden], without recurrent biases. */
  readonly steps: readonly Value[];
  readonly recurrent: Value;
  /** [gates * hidden], where there is a bias. */
  readonly recurrentBias: Value | undefined;
  /** [3 * hidden], in the order i, o, f: how the cell's own state opens its gates (LSTM). */
  readonly peepholes: Value | undefined;
  readonly hidden: number;
}

type State = readonly Value[];
type Step = (g: GraphBuilder, cell: Cell, step: Value, state: State) => State;

export const recurrentDecompositions: { readonly [opType: string]: Decomposition } = {
  /** Hochreiter and Schmidhuber 1997, with the peepholes of Gers and Schmidhuber 2000; gates in the order i, o, f, c. */
  LSTM: unrolled(4, ["Sigmoid", "Tanh", "Tanh"], (g, cell, x, [h, state]) => {
    const c = state as Value;
    const gates = added(g, g.op("Gemm", [h, cell.recurrent, x], { transB: 1 }), cell.recurrentBias);
    const [input, output, forget, candidate] = parts(g, gates, 4) as [Value, Value, Value, Value];
    const holes = cell.peepholes === undefined ? [] : parts(g, cell.peepholes, 3, 0);
    const opened = (value: Value, seen: Value, hole: Value | undefined): Value =>
      g.op("Sigmoid", [hole === undefined ? value : g.add(value, g.mul(seen, hole))]);
    const kept = g.mul(opened(forget, c, holes[2]), c);
    const next = g.add(kept, g.mul(opened(input, c, holes[0]), g.op("Tanh", [candidate])));
    return [g.mul(opened(output, next, holes[1]), g.op("Tanh", [next])), next];
  }),
  /** Cho et al. 2014; gates in the order z, r, h. */
  GRU: (g, node, inputs, opset) => gru(intOf(node, "linear_before_reset", 0) === 1)(g, node, inputs, opset),
  RNN: (g, node, inputs, opset) => {
    const activation = activationsOf(node)[0] ?? "Tanh";
    const step: Step = (_, cell, x, [h]) => {
      const sum = added(g, g.op("Gemm", [h, cell.recurrent, x], { transB: 1 }), cell.recurrentBias);
      return [g.op(activation === "Relu" ? "Relu" : "Tanh", [sum])];
    };
    return unrolled(1, [activation === "Relu" ? "Relu" : "Tanh"], step)(g, node, inputs, opset);
  },
};

function gru(linearBeforeReset: boolean): Decomposition {
  return unrolled(3, ["Sigmoid", "Tanh"], (g, { recurrent, recurrentBias, hidden }, x, [state]) => {
    const h = state as Value;
    const [update, reset, candidate] = parts(g, x, 3) as [Value, Value, Value];
    const rows = (from: number, to: number, of: Value): Value =>
      g.op("Slice", [of, g.ints([from * hidden]), g.ints([to * hidden]), g.ints([0])]);
    const through = (of: Value, gate: number): Value => {
      const product = g.op("Gemm", [of, rows(gate, gate + 1, recurrent)], { transB: 1 });
      return added(g, product, recurrentBias === undefined ? undefined : rows(gate, gate + 1, recurrentBias));
    };
    const z = g.op("Sigmoid", [g.add(update, through(h, 0))]);
    const r = g.op("Sigmoid", [g.add(reset, through(h, 1))]);
    const memory = linearBeforeReset ? g.mul(r, through(h, 2)) : through(g.mul(r, h), 2);
    const next = g.op("Tanh", [g.add(candidate, memory)]);
    return [g.add(g.mul(g.sub(g.scalar(1, z), z), next), g.mul(z, h))];
  });
}

/** Both directions of a layer with so many gates; its outputs are all states, the last one, and (LSTM) the last cell. */
function unrolled(gates: number, activations: readonly string[], step: Step): Decomposition {
  return (g, node, inputs) => {
    const batchFirst = intOf(node, "layout", 0) === 1;
    // ONNX's other layout has the batch first, also in the states.
    const turned = (value: Value): Value => {
      const order = value.shape.map((_, i) => i);
      return g.op("Transpose", [value], { perm: order.length === 4 ? [2, 0, 1, 3] : [1, 0, ...order.slice(2)] });
    };
    const laid = (value: Value | undefined): Value | undefined =>
      batchFirst && value !== undefined ? turned(value) : value;
    const [x, weights, recurrent] = [laid(inputs[0]), inputs[1], inputs[2]];
    assert(x !== undefined && weights !== undefined && recurrent !== undefined, "a recurrent node has weights");
    requirePlain(node, x.shape[0] as number, activations);
    const given = inputs.map((value, i) => (i === 0 || i === 5 || i === 6 ? laid(value) : value));
    const directions = Array.from({ length: recurrent.shape[0] as number }, (_, d) => {
      const backwards = d === 1 || stringOf(node, "direction", "forward") === "reverse";
      return direction(g, given, { d, gates, backwards, cells: node.opType === "LSTM" }, step);
    });
    const all = joined(
      g,
      directions.map(({ states }) => states),
      1,
    );
    const ends = (i: number): Value =>
      joined(
        g,
        directions.map(({ last }) => g.reshape(last[i] as Value, [1, ...(last[i] as Value).shape])),
        0,
      );
    const outputs = [all, ends(0), ...(node.opType === "LSTM" ? [ends(1)] : [])];
    return batchFirst ? outputs.map(turned) : outputs;
  };
}

interface Direction {
  /** Which part of the weights is its. */
  readonly d: number;
  readonly gates: number;
  readonly backwards: boolean;
  readonly cells: boolean;
}

/** One direction: its states [length, 1, batch, hidden], and what it ends with. */
function direction(
  g: GraphBuilder,
  inputs: readonly (Value | undefined)[],
  { d, gates, backwards, cells }: Direction,
  step: Step,
): { readonly states: Value; readonly last: State } {
  const [x, weights, recurrent] = [inputs[0], inputs[1], inputs[2]] as [Value, Value, Value];
  const [length, batch, features] = x.shape as [number, number, number];
  const hidden = recurrent.shape[2] as number;
  const wide = gates * hidden;
  const of = (value: Value, shape: readonly number[]): Value =>
    g.reshape(g.op("Slice", [value, g.ints([d]), g.ints([d + 1]), g.ints([0])]), shape);
  const bias = inputs[3] === undefined ? undefined : parts(g, of(inputs[3], [2 * wide]), 2, 0);
  // The input's part of all steps is one product.
  const rows = g.reshape(x, [length * batch, features]);
  const product = g.op("Gemm", [rows, of(weights, [wide, features])], { transB: 1 });
  const projected = g.reshape(added(g, product, bias?.[0]), [length, batch, wide]);
  const steps = parts(g, projected, length, 0).map((value) => g.reshape(value, [batch, wide]));
  const peepholes = inputs[7] === undefined ? undefined : of(inputs[7], [3 * hidden]);
  const cell = { steps, recurrent: of(recurrent, [wide, hidden]), recurrentBias: bias?.[1], peepholes, hidden };
  const zero = fill(g, 0, { ...x, shape: [batch, hidden] });
  const begin = (input: Value | undefined): Value => (input === undefined ? zero : of(input, [batch, hidden]));
  let state: State = cells ? [begin(inputs[5]), begin(inputs[6])] : [begin(inputs[5])];
  const lengths = inputs[4] === undefined || allEqual(inputs[4], length) ? undefined : inputs[4];
  const states: Value[] = [];
  for (const [i, value] of [...(backwards ? steps.toReversed() : steps)].entries()) {
    const next = step(g, cell, value, state);
    const at = backwards ? length - 1 - i : i;
    // Past a sequence's end its state stays, and it puts out zeros.
    const within =
      lengths === undefined ? undefined : g.reshape(g.op("Less", [scalarLike(g, at, lengths), lengths]), [batch, 1]);
    state = within === undefined ? next : next.map((own, k) => g.op("Where", [within, own, state[k]]));
    const out = within === undefined ? (next[0] as Value) : g.op("Where", [within, next[0], zero]);
    states.push(g.reshape(out, [1, 1, batch, hidden]));
  }
  return { states: joined(g, backwards ? states.reverse() : states, 0), last: state };
}

/** A scalar of the integer type that lengths have. */
function scalarLike(g: GraphBuilder, value: number, { dtype }: Value): Value {
  return g.constant(
    dtype === "int64" ? tensor(dtype, [], BigInt64Array.of(BigInt(value))) : tensor("int32", [], Int32Array.of(value)),
  );
}

function requirePlain(node: Node, length: number, activations: readonly string[]): void {
  const given = activationsOf(node);
  const reasons: readonly (readonly [string, boolean])[] = [
    ["clip", "clip" in node.attributes],
    ["input_forget", intOf(node, "input_forget", 0) !== 0],
    [`activations ${given.join(", ")}`, given.some((name, i) => name !== activations[i % activations.length])],
    ["an empty sequence", length === 0],
  ];
  const reason = reasons.find(([, holds]) => holds);
  if (reason === undefined) return;
  throw new FederationError("model/unsupported", `reading the ${describeNode(node)}: it has ${reason[0]}`);
}

function activationsOf({ attributes }: Node): string[] {
  const given = attributes["activations"];
  return given?.type === "other" ? (given.value.strings ?? []).map((bytes) => new TextDecoder().decode(bytes)) : [];
}

function allEqual({ constant }: Value, length: number): boolean {
  return (
    constant !== undefined && Array.from<number | bigint, number>(constant.data, Number).every((x) => x === length)
  );
}

function parts(g: GraphBuilder, value: Value, count: number, axis = 1): readonly Value[] {
  return count === 1 ? [value] : g.node("Split", [value], { axis, num_outputs: count }, { outputs: count });
}

function joined(g: GraphBuilder, values: readonly Value[], axis: number): Value {
  return values.length === 1 ? (values[0] as Value) : g.op("Concat", values, { axis });
}

function added(g: GraphBuilder, value: Value, bias: Value | undefined): Value {
  return bias === undefined ? value : g.add(value, bias);
}
