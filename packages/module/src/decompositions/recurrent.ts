// Recurrent layers, one step after the other: the length of the sequence is known, and the steps are laid out.
import { FederationError, assert } from "@perennial-fl/core";
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
  readonly hidden: number;
}

type State = readonly Value[];
type Step = (g: GraphBuilder, cell: Cell, step: Value, state: State) => State;

export const recurrentDecompositions: { readonly [opType: string]: Decomposition } = {
  /** Hochreiter and Schmidhuber 1997; gates in the order i, o, f, c. */
  LSTM: unrolled(4, ["Sigmoid", "Tanh", "Tanh"], (g, cell, x, [h, c]) => {
    const gates = added(g, g.op("Gemm", [h, cell.recurrent, x], { transB: 1 }), cell.recurrentBias);
    const [input, output, forget, candidate] = parts(g, gates, 4) as [Value, Value, Value, Value];
    const sigmoid = (value: Value): Value => g.op("Sigmoid", [value]);
    const kept = g.mul(sigmoid(forget), c as Value);
    const next = g.add(kept, g.mul(sigmoid(input), g.op("Tanh", [candidate])));
    return [g.mul(sigmoid(output), g.op("Tanh", [next])), next];
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
    const [x, weights, recurrent] = inputs;
    assert(x !== undefined && weights !== undefined && recurrent !== undefined, "a recurrent node has weights");
    requirePlain(node, inputs, activations);
    const [length, batch, features] = x.shape as [number, number, number];
    const [directions, , hidden] = recurrent.shape as [number, number, number];
    const isLstm = node.opType === "LSTM";
    const sequences: Value[] = [];
    const last: State[] = [];
    for (let d = 0; d < directions; d++) {
      const of = (value: Value, shape: readonly number[]): Value =>
        g.reshape(g.op("Slice", [value, g.ints([d]), g.ints([d + 1]), g.ints([0])]), shape);
      const wide = gates * hidden;
      const bias = inputs[3] === undefined ? undefined : parts(g, of(inputs[3], [2 * wide]), 2, 0);
      // The input's part of all steps is one product.
      const product = g.op("Gemm", [g.reshape(x, [length * batch, features]), of(weights, [wide, features])], {
        transB: 1,
      });
      const projected = g.reshape(added(g, product, bias?.[0]), [length, batch, wide]);
      const steps = parts(g, projected, length, 0).map((value) => g.reshape(value, [batch, wide]));
      const cell = { steps, recurrent: of(recurrent, [wide, hidden]), recurrentBias: bias?.[1], hidden };
      const zero = fill(g, 0, { ...x, shape: [batch, hidden] });
      const begin = (input: Value | undefined): Value => (input === undefined ? zero : of(input, [batch, hidden]));
      const backwards = d === 1 || stringOf(node, "direction", "forward") === "reverse";
      let state: State = isLstm ? [begin(inputs[5]), begin(inputs[6])] : [begin(inputs[5])];
      const states: Value[] = [];
      for (const value of backwards ? steps.toReversed() : steps) {
        state = step(g, cell, value, state);
        states.push(g.reshape(state[0] as Value, [1, 1, batch, hidden]));
      }
      sequences.push(joined(g, backwards ? states.reverse() : states, 0));
      last.push(state);
    }
    const ends = (i: number): Value =>
      joined(
        g,
        last.map((state) => g.reshape(state[i] as Value, [1, batch, hidden])),
        0,
      );
    return [joined(g, sequences, 1), ends(0), ...(isLstm ? [ends(1)] : [])];
  };
}

function requirePlain(node: Node, inputs: readonly (Value | undefined)[], activations: readonly string[]): void {
  const length = inputs[0]?.shape[0] ?? 0;
  const lengths = inputs[4];
  const given = activationsOf(node);
  const reasons: readonly (readonly [string, boolean])[] = [
    ["sequences of different lengths", lengths !== undefined && !allEqual(lengths, length)],
    ["peepholes", inputs[7] !== undefined],
    ["clip", "clip" in node.attributes],
    ["input_forget", intOf(node, "input_forget", 0) !== 0],
    ["a batch as its first axis", intOf(node, "layout", 0) !== 0],
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
