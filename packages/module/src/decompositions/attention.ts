// Attention and rotary embeddings of opset 23, in matrix products and a softmax.
import { FederationError, assert, tensor } from "@perennial-fl/core";
import type { GraphBuilder, Value } from "../builder.js";
import { describeNode, floatOf, intOf } from "../graph.js";
import type { Node } from "../graph.js";
import type { Decomposition } from "./decomposition.js";

/** What a softmax takes for "not at all", and gives no NaN for where it is all there is. */
const never = -1e30;

const known = [
  "is_causal",
  "kv_num_heads",
  "q_num_heads",
  "qk_matmul_output_mode",
  "scale",
  "softcap",
  "softmax_precision",
];

export const attentionDecompositions: { readonly [opType: string]: Decomposition } = {
  /** Vaswani et al. 2017; with fewer heads of keys and values, Ainslie et al. 2023. */
  Attention: (g, node, [query, key, value, mask, pastKey, pastValue, lengths]) => {
    assert(query !== undefined && key !== undefined && value !== undefined, "Attention has three inputs");
    const strange = Object.keys(node.attributes).find((name) => !known.includes(name));
    if (strange !== undefined) refuse(node, strange);
    if (lengths !== undefined && intOf(node, "is_causal", 0) === 1) refuse(node, "is_causal and nonpad_kv_seqlen");
    const flat = query.shape.length === 3;
    const heads = (x: Value, count: string): Value => (flat ? split(g, x, intOf(node, count, 1)) : x);
    const q = heads(query, "q_num_heads");
    const k = joined(g, pastKey, heads(key, "kv_num_heads"));
    const v = joined(g, pastValue, heads(value, "kv_num_heads"));
    const [, count, rows, width] = q.shape as [number, number, number, number];
    const columns = k.shape[2] as number;
    const factor = g.scalar(Math.sqrt(floatOf(node, "scale", 1 / Math.sqrt(width))), q);
    const turned = g.op("Transpose", [repeated(g, k, count)], { perm: [0, 1, 3, 2] });
    const product = g.op("MatMul", [g.mul(q, factor), g.mul(turned, factor)]);

    const cap = floatOf(node, "softcap", 0);
    const capped = cap === 0 ? product : g.mul(g.op("Tanh", [g.div(product, g.scalar(cap, q))]), g.scalar(cap, q));
    const added = mask === undefined || mask.dtype === "bool" ? capped : g.add(capped, mask);
    const seen = [
      ...(mask?.dtype === "bool" ? [mask] : []),
      ...(intOf(node, "is_causal", 0) === 1 ? [before(g, rows, columns, pastKey?.shape[2] ?? 0)] : []),
      ...(lengths === undefined ? [] : [within(g, lengths, columns)]),
    ];
    const visible = seen.length === 0 ? undefined : seen.reduce((all, own) => g.op("And", [all, own]));
    const scores = visible === undefined ? added : g.op("Where", [visible, added, g.scalar(never, q)]);
    const softmax = g.op("Softmax", [scores], { axis: -1 });
    // Who sees nothing gets nothing.
    const weights = visible === undefined ? softmax : g.op("Where", [visible, softmax, g.scalar(0, q)]);
    const out = g.op("MatMul", [weights, repeated(g, v, count)]);
    const shown = [product, capped, scores, weights][intOf(node, "qk_matmul_output_mode", 0)] as Value;
    return [flat ? merged(g, out) : out, k, v, shown];
  },
  /** Su et al. 2021: pairs of elements turned by an angle that grows with their position. */
  RotaryEmbedding: (g, node, [x, cosines, sines, positions]) => {
    assert(x !== undefined && cosines !== undefined && sines !== undefined, "RotaryEmbedding has three inputs");
    const flat = x.shape.length === 3;
    const heads = flat ? split(g, x, intOf(node, "num_heads", 1)) : x;
    const [batch, count, length, width] = heads.shape as [number, number, number, number];
    const turned = intOf(node, "rotary_embedding_dim", 0) || width;
    const half = turned / 2;
    const part = (of: Value, from: number, to: number, step = 1): Value =>
      g.op("Slice", [of, g.ints([from]), g.ints([to]), g.ints([-1]), g.ints([step])]);
    // Pairs lie next to each other, or half a width apart.
    const interleaved = intOf(node, "interleaved", 0) === 1;
    const [left, right] = interleaved
      ? [part(heads, 0, turned, 2), part(heads, 1, turned, 2)]
      : [part(heads, 0, half), part(heads, half, turned)];
    const table = (of: Value): Value => {
      const rows = positions === undefined ? of : g.op("Gather", [of, positions], { axis: 0 });
      return g.reshape(part(rows, 0, half), [batch, 1, length, half]);
    };
    const [cos, sin] = [table(cosines), table(sines)];
    const parts = [g.sub(g.mul(cos, left), g.mul(sin, right)), g.add(g.mul(sin, left), g.mul(cos, right))];
    const pairs = parts.map((value) => g.reshape(value, [batch, count, length, half, 1]));
    const mixed = interleaved
      ? g.reshape(g.op("Concat", pairs, { axis: -1 }), [batch, count, length, turned])
      : g.op("Concat", parts, { axis: -1 });
    const whole = turned === width ? mixed : g.op("Concat", [mixed, part(heads, turned, width)], { axis: -1 });
    return [flat ? merged(g, whole) : whole];
  },
};

/** [batch, length, heads * width] to [batch, heads, length, width]. */
function split(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as [number, number, number];
  return g.op("Transpose", [g.reshape(x, [batch, length, heads, width / heads])], { perm: [0, 2, 1, 3] });
}

/** The way back. */
function merged(g: GraphBuilder, x: Value): Value {
  const [batch, heads, length, width] = x.shape as [number, number, number, number];
  return g.reshape(g.op("Transpose", [x], { perm: [0, 2, 1, 3] }), [batch, length, heads * width]);
}

function joined(g: GraphBuilder, past: Value | undefined, now: Value): Value {
  return past === undefined ? now : g.op("Concat", [past, now], { axis: 2 });
}

/** Every head as often as several heads of the query share it. */
function repeated(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, own, length, width] = x.shape as [number, number, number, number];
  if (own === heads) return x;
  const each = g.reshape(x, [batch, own, 1, length, width]);
  return g.reshape(g.op("Expand", [each, g.ints([batch, own, heads / own, length, width])]), [
    batch,
    heads,
    length,
    width,
  ]);
}

/** Which places each row sees when none comes later than its own, `past` places being before the first. */
function before(g: GraphBuilder, rows: number, columns: number, past: number): Value {
  const seen = Array.from({ length: rows * columns }, (_, i) => i % columns <= Math.floor(i / columns) + past);
  return g.constant(tensor("bool", [rows, columns], Uint8Array.from(seen, Number)));
}

/** Which places lie within the length of each example. */
function within(g: GraphBuilder, lengths: Value, columns: number): Value {
  const places = g.ints(Array.from({ length: columns }, (_, i) => i));
  return g.op("Less", [places, g.reshape(lengths, [lengths.shape[0] as number, 1, 1, 1])]);
}

function refuse(node: Node, attribute: string): never {
  throw new FederationError("model/unsupported", `reading the ${describeNode(node)}: no gradient with ${attribute}`);
}
