// Shapes of operators that rearrange, select, reduce or convert.
import { elementCount } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { intOf, intsOf } from "../graph.js";
import { dtypeOf } from "../proto/tensors.js";
import { padsByAxis } from "../window.js";
import { broadcast } from "./site.js";
import type { ShapeRule, ShapeSite } from "./site.js";

export const arrangementShapes: { readonly [opType: string]: ShapeRule } = {
  ArgMax: argMax,
  ArgMin: argMax,
  Cast: (at) => ({ dtype: dtypeOf(intOf(at.node, "to", 0), "a Cast"), shape: at.a.shape }),
  Concat: concat,
  Constant: (at) => {
    const value = at.node.attributes["value"];
    return value?.type === "tensor" ? value.value : at.fail("it holds no tensor");
  },
  ConstantOfShape: (at) => {
    const value = at.node.attributes["value"];
    return { dtype: value?.type === "tensor" ? value.value.dtype : "float32", shape: at.ints(0) };
  },
  Expand: (at) => ({ dtype: at.a.dtype, shape: broadcast(at, at.a.shape, at.ints(1)) }),
  Flatten: (at) => {
    const axis = intOf(at.node, "axis", 1);
    const split = axis < 0 ? axis + at.a.shape.length : axis;
    const lengths = [elementCount(at.a.shape.slice(0, split)), elementCount(at.a.shape.slice(split))];
    return { dtype: at.a.dtype, shape: lengths };
  },
  Gather: (at) => {
    const axis = at.axis(intOf(at.node, "axis", 0), at.a.shape.length);
    return { dtype: at.a.dtype, shape: at.a.shape.toSpliced(axis, 1, ...at.b.shape) };
  },
  OneHot: (at) => {
    const axis = at.axis(intOf(at.node, "axis", -1), at.a.shape.length + 1);
    return { dtype: at.c.dtype, shape: at.a.shape.toSpliced(axis, 0, at.ints(1)[0] ?? 0) };
  },
  GatherElements: ({ a, b }) => ({ dtype: a.dtype, shape: b.shape }),
  GatherND: (at) => {
    const batch = intOf(at.node, "batch_dims", 0);
    const depth = at.b.shape.at(-1) ?? 0;
    return { dtype: at.a.dtype, shape: [...at.b.shape.slice(0, -1), ...at.a.shape.slice(batch + depth)] };
  },
  Pad: (at) => {
    const rank = at.a.shape.length;
    const pads = padsByAxis(at.ints(1), at.has(3) ? at.ints(3) : undefined, rank);
    return { dtype: at.a.dtype, shape: at.a.shape.map((length, i) => length + (pads[i] ?? 0) + (pads[i + rank] ?? 0)) };
  },
  Range: (at) => {
    const [from, to, step] = [0, 1, 2].map((index) => at.ints(index)[0] ?? 0) as [number, number, number];
    return { dtype: at.a.dtype, shape: [Math.max(0, Math.ceil((to - from) / step))] };
  },
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceSumSquare: reduce,
  ReduceSum: reduce,
  Reshape: reshape,
  ScatterElements: ({ a }) => ({ dtype: a.dtype, shape: a.shape }),
  ScatterND: ({ a }) => ({ dtype: a.dtype, shape: a.shape }),
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: (at) => {
    const repeats = at.ints(1);
    return { dtype: at.a.dtype, shape: at.a.shape.map((length, i) => length * (repeats[i] ?? 1)) };
  },
  TopK: (at) => {
    const axis = at.axis(intOf(at.node, "axis", -1), at.a.shape.length);
    const shape = at.a.shape.with(axis, at.ints(1)[0] ?? 0);
    return [
      { dtype: at.a.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  Transpose: ({ a, node }) => {
    const order = intsOf(
      node,
      "perm",
      a.shape.map((_, i) => a.shape.length - 1 - i),
    );
    return { dtype: a.dtype, shape: order.map((axis) => a.shape[axis] as number) };
  },
  Unsqueeze: unsqueeze,
};

function argMax(at: ShapeSite): TensorHeader {
  const axis = at.axis(intOf(at.node, "axis", 0), at.a.shape.length);
  const kept = intOf(at.node, "keepdims", 1) === 1 ? [1] : [];
  return { dtype: "int64", shape: at.a.shape.toSpliced(axis, 1, ...kept) };
}

function concat(at: ShapeSite): TensorHeader {
  const axis = at.axis(intOf(at.node, "axis", 0), at.a.shape.length);
  let length = 0;
  for (let i = 0; i < at.count; i++) {
    const { shape } = at.input(i);
    if (shape.toSpliced(axis, 1).join() !== at.a.shape.toSpliced(axis, 1).join()) {
      at.fail(`[${at.a.shape.join(", ")}] and [${shape.join(", ")}] differ off axis ${axis}`);
    }
    length += shape[axis] ?? 0;
  }
  return { dtype: at.a.dtype, shape: at.a.shape.with(axis, length) };
}

/** Reductions take their axes as an input; none means all, unless `noop_with_empty_axes`. */
function reduce(at: ShapeSite): TensorHeader {
  const { a, node } = at;
  const axes = reducedAxes(at);
  const keep = intOf(node, "keepdims", 1) === 1;
  return { dtype: a.dtype, shape: a.shape.flatMap((length, i) => (axes.includes(i) ? (keep ? [1] : []) : [length])) };
}

function reducedAxes(at: ShapeSite): number[] {
  const rank = at.a.shape.length;
  const given = at.has(1) ? at.ints(1) : [];
  if (given.length > 0) return given.map((axis) => at.axis(axis, rank));
  return intOf(at.node, "noop_with_empty_axes", 0) === 1 ? [] : at.a.shape.map((_, i) => i);
}

function reshape(at: ShapeSite): TensorHeader {
  const { a, node } = at;
  const wanted = at.ints(1);
  const copied = wanted.map((length, i) =>
    length === 0 && intOf(node, "allowzero", 0) === 0 ? (a.shape[i] ?? 0) : length,
  );
  const known = elementCount(copied.filter((length) => length !== -1));
  const shape = copied.map((length) => (length === -1 ? (known === 0 ? 0 : elementCount(a.shape) / known) : length));
  if (elementCount(shape) !== elementCount(a.shape) || !shape.every(Number.isInteger)) {
    at.fail(`[${a.shape.join(", ")}] cannot become [${wanted.join(", ")}]`);
  }
  return { dtype: a.dtype, shape };
}

function slice(at: ShapeSite): TensorHeader {
  const { a } = at;
  const [starts, ends] = [at.ints(1), at.ints(2)];
  const axes = at.has(3) ? at.ints(3) : starts.map((_, i) => i);
  const steps = at.has(4) ? at.ints(4) : starts.map(() => 1);
  const shape = [...a.shape];
  axes.forEach((given, i) => {
    const axis = at.axis(given, shape.length);
    const length = shape[axis] as number;
    const step = steps[i] ?? 1;
    const clamp = (index: number): number => {
      const counted = index < 0 ? index + length : index;
      return step > 0 ? Math.min(Math.max(counted, 0), length) : Math.min(Math.max(counted, -1), length - 1);
    };
    shape[axis] = Math.max(0, Math.ceil((clamp(ends[i] ?? 0) - clamp(starts[i] ?? 0)) / step));
  });
  return { dtype: a.dtype, shape };
}

function split(at: ShapeSite): TensorHeader[] {
  const { a, node } = at;
  const axis = at.axis(intOf(node, "axis", 0), a.shape.length);
  const length = a.shape[axis] as number;
  const size = Math.ceil(length / node.outputs.length);
  const lengths = at.has(1) ? at.ints(1) : node.outputs.map((_, i) => Math.min(size, length - i * size));
  if (lengths.reduce((sum, part) => sum + part, 0) !== length)
    at.fail(`parts of ${lengths.join(", ")} do not make ${length}`);
  return lengths.map((part) => ({ dtype: a.dtype, shape: a.shape.with(axis, part) }));
}

function squeeze(at: ShapeSite): TensorHeader {
  const { a } = at;
  const axes = at.has(1) ? at.ints(1).map((axis) => at.axis(axis, a.shape.length)) : undefined;
  return {
    dtype: a.dtype,
    shape: a.shape.filter((length, i) => (axes === undefined ? length !== 1 : !axes.includes(i))),
  };
}

function unsqueeze(at: ShapeSite): TensorHeader {
  const { a } = at;
  const given = at.ints(1);
  const rank = a.shape.length + given.length;
  const axes = new Set(given.map((axis) => at.axis(axis, rank)));
  const rest = a.shape.values();
  return {
    dtype: a.dtype,
    shape: Array.from({ length: rank }, (_, i) => (axes.has(i) ? 1 : (rest.next().value as number))),
  };
}
