// Operators with their attributes, over shapes down to nothing, that onnxruntime's own kernels answer for.
import { float, random, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { AttributeValues } from "../src/index.js";

export interface KernelCase {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes: AttributeValues;
  readonly outputs: number;
  readonly opset: number;
}

type Extra = Partial<Pick<KernelCase, "attributes" | "outputs" | "opset">>;

export const kernelCases: KernelCase[] = [];

function add(op: string, name: string, inputs: KernelCase["inputs"], extra: Extra = {}): void {
  kernelCases.push({ op, name, inputs, attributes: {}, outputs: 1, opset: 18, ...extra });
}

/** Standard normal numbers, others for every place in the table. */
function reals(...shape: number[]): Tensor {
  const draw = random("kernels", kernelCases.length, ...shape);
  const count = shape.reduce((product, length) => product * length, 1);
  return tensor(
    "float32",
    shape,
    Float32Array.from({ length: count }, () => draw.normal()),
  );
}

function scaled(value: Tensor, factor: number): Tensor {
  return tensor(
    "float32",
    value.shape,
    (value.data as Float32Array).map((x) => factor * x),
  );
}

function floats(...values: number[]): Tensor {
  return tensor("float32", [values.length], Float32Array.from(values));
}

function ints(...values: number[]): Tensor {
  return tensor("int64", [values.length], BigInt64Array.from(values, BigInt));
}

function int32(...values: number[]): Tensor {
  return tensor("int32", [values.length], Int32Array.from(values));
}

const recurrent = [
  ["LSTM", 4, 3],
  ["GRU", 3, 2],
  ["RNN", 1, 2],
] as const;
for (const [op, gates, outputs] of recurrent) {
  const weights = (directions: number): Tensor[] => [
    scaled(reals(directions, gates * 2, 3), 0.5),
    scaled(reals(directions, gates * 2, 2), 0.5),
    reals(directions, gates * 4),
  ];
  const inner = op === "GRU" ? { linear_before_reset: 1 } : {};
  for (const direction of ["reverse", "bidirectional"] as const) {
    const count = direction === "reverse" ? 1 : 2;
    const attributes = { hidden_size: 2, direction, ...inner };
    add(op, `${direction}, of sequences of different lengths`, [reals(4, 3, 3), ...weights(count), int32(4, 1, 2)], {
      attributes,
      outputs,
    });
    const states = [reals(count, 2, 2), ...(op === "LSTM" ? [reals(count, 2, 2), reals(count, 6)] : [])];
    add(op, `${direction}, from given states`, [reals(3, 2, 3), ...weights(count), undefined, ...states], {
      attributes,
      outputs,
    });
  }
}

for (const counted of [0, 1]) {
  const attributes = {
    kernel_shape: [3, 2],
    strides: [2, 2],
    pads: [1, 0, 1, 1],
    ceil_mode: 1,
    count_include_pad: counted,
  };
  add("AveragePool", `past the end, padding counted ${counted}`, [reals(2, 2, 6, 4)], { attributes });
  const holes = { kernel_shape: [2, 2], dilations: [2, 3], pads: [1, 1, 1, 1], count_include_pad: counted };
  add("AveragePool", `with holes, padding counted ${counted}`, [reals(1, 2, 6, 6)], { attributes: holes, opset: 19 });
}
add("MaxPool", "past the end", [reals(1, 2, 6, 5)], {
  attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
});
const transposed = [reals(1, 2, 3, 3), reals(2, 2, 3, 3), reals(2)];
for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID"]) {
  add("ConvTranspose", `with auto_pad ${auto_pad}`, transposed, { attributes: { auto_pad, strides: [2, 2] } });
}
add("ConvTranspose", "to a shorter shape", transposed, { attributes: { output_shape: [6, 5], strides: [2, 2] } });
add("ConvTranspose", "to a longer shape", transposed, { attributes: { output_shape: [8, 7], strides: [2, 2] } });

add("Scatter", "along an axis", [reals(2, 3), tensor("int64", [2, 1], BigInt64Array.of(2n, 0n)), reals(2, 1)], {
  attributes: { axis: 1 },
  opset: 10,
});
const pairs = tensor("int64", [2, 2, 1], BigInt64Array.of(0n, 2n, 1n, 1n));
add("GatherND", "within a batch", [reals(2, 3, 2), pairs], { attributes: { batch_dims: 1 } });
add("TopK", "of whole rows", [reals(2, 3), ints(3)], { outputs: 2 });

for (const extra of [{}, { cubic_coeff_a: float(-0.5), exclude_outside: 1 }, { antialias: 1 }]) {
  const attributes = { mode: "cubic", ...extra };
  add("Resize", `cubic, ${JSON.stringify(extra)}`, [reals(1, 1, 4, 6), undefined, floats(1, 1, 0.75, 1.5)], {
    attributes,
  });
}
add("Resize", "of two axes, no larger than asked for", [reals(1, 1, 4, 6), undefined, undefined, ints(7, 8)], {
  attributes: { axes: [2, 3], keep_aspect_ratio_policy: "not_larger", mode: "linear" },
});
add(
  "Resize",
  "of a crop",
  [reals(1, 1, 4, 5), floats(0, 0, 0.25, 0.1, 1, 1, 0.75, 1.25), undefined, ints(1, 1, 3, 6)],
  {
    attributes: { coordinate_transformation_mode: "tf_crop_and_resize", mode: "linear" },
  },
);
add("Upsample", "linearly", [reals(1, 2, 2, 3), floats(1, 1, 2, 2)], { attributes: { mode: "linear" }, opset: 9 });

const heads = { q_num_heads: 4, kv_num_heads: 2 };
const sequences = [reals(2, 3, 8), reals(2, 5, 4), reals(2, 5, 6)];
add("Attention", "causal, with shared heads", sequences, { attributes: { ...heads, is_causal: 1 }, opset: 23 });
const mask = tensor(
  "bool",
  [3, 5],
  Uint8Array.from({ length: 15 }, (_, i) => (i % 4 === 1 ? 0 : 1)),
);
add("Attention", "masked, capped and scaled", [...sequences, mask], {
  attributes: { ...heads, softcap: float(2), scale: float(0.7) },
  opset: 23,
});
add(
  "RotaryEmbedding",
  "of a part",
  [reals(1, 2, 3, 6), reals(4, 2), reals(4, 2), tensor("int64", [1, 3], BigInt64Array.of(3n, 0n, 1n))],
  {
    attributes: { rotary_embedding_dim: 4, interleaved: 1 },
    opset: 23,
  },
);
add("LpNormalization", "with a row of zeros", [tensor("float32", [2, 2], Float32Array.of(3, -4, 0, 0))]);
add("LRN", "over three channels", [reals(2, 5, 2, 2)], {
  attributes: { size: 3, alpha: float(0.5), bias: float(1.5) },
});
add("MeanVarianceNormalization", "over channels", [reals(2, 3, 4)], { attributes: { axes: [1] } });
add("ReduceLogSum", "over an axis", [tensor("float32", [2, 2], Float32Array.of(1, 2, 3, 4)), ints(1)]);

// One element, and none at all.
for (const [size, word] of [
  [1, "one"],
  [0, "no"],
] as const) {
  const named = `of ${word} row${size === 1 ? "" : "s"}`;
  for (const op of ["Add", "Div", "Max"]) add(op, named, [reals(size, 3), reals(1, 3)]);
  // Of a negative base there is no gradient by the exponent.
  const base = tensor(
    "float32",
    [size, 3],
    Float32Array.from({ length: 3 * size }, (_, i) => i + 0.5),
  );
  add("Pow", named, [base, floats(2)]);
  for (const op of ["Softmax", "LogSoftmax", "Tanh", "Gelu", "CumSum"]) {
    add(op, named, [reals(size, 3), ...(op === "CumSum" ? [ints(1)] : [])], { opset: op === "Gelu" ? 20 : 18 });
  }
  for (const op of ["ReduceSum", "ReduceMean", "ReduceL2", "ReduceMax", "ReduceLogSumExp"]) {
    add(op, named, [reals(size, 3), ints(1)]);
  }
  add("MatMul", named, [reals(size, 3), reals(3, 2)]);
  add("Gemm", named, [reals(size, 3), reals(2, 3), reals(2)], { attributes: { transB: 1 } });
  add("Concat", named, [reals(size, 3), reals(2, 3)], { attributes: { axis: 0 } });
  add("Gather", named, [reals(4, 3), size === 1 ? ints(2) : ints()]);
  add("Slice", named, [reals(4, 3), ints(2), ints(2 + size)]);
  add("Pad", named, [reals(size, 3), ints(0, 1, 0, 1)]);
  add("Transpose", named, [reals(size, 3)], { attributes: { perm: [1, 0] } });
  add("Expand", named, [reals(1, 3), ints(size, 3)]);
  add("LayerNormalization", named, [reals(size, 4), reals(4), reals(4)]);
  add("Conv", named, [reals(size, 2, 4, 4), reals(3, 2, 3, 3)]);
  add("MaxPool", named, [reals(size, 2, 4, 4)], { attributes: { kernel_shape: [2, 2] } });
  add("GlobalAveragePool", named, [reals(size, 2, 3, 3)]);
}
