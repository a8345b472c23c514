// Runs graphs for the tests, as the trainer does: onnxruntime on one thread, without telemetry.
import { bytesOf, float32, random, tensor, tensorFromBytes } from "@perennial-fl/core";
import type { DType, Tensor } from "@perennial-fl/core";

process.env["ORT_DISABLE_TELEMETRY"] = "1";
const ort = await import("onnxruntime-node");

type Feeds = Readonly<Record<string, Tensor>>;

/** A session on the CPU provider, for several runs. */
export async function open(model: Uint8Array) {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    async run(feeds: Feeds): Promise<Record<string, Tensor>> {
      const given = Object.entries(feeds).map(([name, value]) => [name, toOrt(value)] as const);
      const results = await session.run(Object.fromEntries(given));
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(value)]));
    },
    release: () => session.release(),
  };
}

/** Runs a model once. */
export async function run(model: Uint8Array, feeds: Feeds): Promise<Record<string, Tensor>> {
  const session = await open(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Standard normal numbers, from a seed. */
export function normals(seed: string, shape: readonly number[], scale = 1): Tensor {
  const draw = random("test", seed);
  return float32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * draw.normal()),
  );
}

/** Class indices, from a seed. */
export function labels(seed: string, count: number, classes: number): Tensor {
  const draw = random("test", seed);
  return tensor(
    "int64",
    [count],
    BigInt64Array.from({ length: count }, () => BigInt(draw.below(classes))),
  );
}

export function numbers({ data }: Tensor): number[] {
  return Array.from<number | bigint, number>(data, Number);
}

function toOrt(value: Tensor): InstanceType<typeof ort.Tensor> {
  // bool has its own constructor name in onnxruntime; nothing here feeds one.
  return new ort.Tensor(value.dtype as "float32", value.data as Float32Array, value.shape);
}

function fromOrt(value: InstanceType<typeof ort.Tensor>): Tensor {
  const data = value.data as Float32Array;
  return tensorFromBytes(value.type as DType, value.dims, bytesOf({ dtype: "uint8", shape: [], data }));
}
