// Lowers train steps for the runtime at hand: which of its kernels can be used is found out by trying them.
import { lower, OnnxModule } from "@perennial-fl/module";
import type { Layout, LoweringName } from "@perennial-fl/module";
import type { InferenceSession } from "onnxruntime-node";
import type { Runtime } from "./runtime.js";

/** Inputs whose elements lie in another order than ONNX's, and the outputs that are their new values. */
export type Layouts = ReadonlyMap<string, Layout>;

export interface LoweredStep {
  readonly bytes: Uint8Array;
  readonly layouts: Layouts;
}

/** Lowers the ONNX file of a train step. */
export type Lower = (bytes: Uint8Array) => Promise<LoweredStep>;

/** With no lowerings named, a step stays as it is. */
export function lowererOf(
  runtime: Runtime,
  lowerings: readonly LoweringName[],
  options: InferenceSession.SessionOptions,
): Lower {
  let blockSize: Promise<number | undefined> | undefined;
  return async (bytes) => {
    if (lowerings.length === 0) return { bytes, layouts: new Map() };
    const found = await (blockSize ??= findBlockSize(runtime, options));
    const { graph, layouts } = lower(OnnxModule.fromBytes(bytes).graph, {
      lowerings,
      ...(found === undefined ? {} : { blockSize: found }),
    });
    return { bytes: OnnxModule.fromGraph(graph).toBytes(), layouts };
  };
}

/** The channels in a block of the runtime's own kernels, or undefined if there are none or they do something else. */
async function findBlockSize(runtime: Runtime, options: InferenceSession.SessionOptions): Promise<number | undefined> {
  const probe = OnnxModule.fromGraph({
    name: "probe",
    opset: 18,
    domains: { "com.microsoft.nchwc": 1 },
    nodes: [
      {
        name: "",
        opType: "ReorderInput",
        domain: "com.microsoft.nchwc",
        inputs: ["x"],
        outputs: ["y"],
        attributes: {},
      },
    ],
    inputs: [{ name: "x", dtype: "float32", shape: [1, 4, 1, 2] }],
    outputs: [{ name: "y", dtype: "float32", shape: [1, null, 1, 2] }],
    initializers: new Map(),
    valueInfos: [],
  }).toBytes();
  try {
    const session = await runtime.InferenceSession.create(probe, options);
    const x = new runtime.Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [1, 4, 1, 2]);
    const { y } = await session.run({ x });
    await session.release();
    const block = y?.dims[1] ?? 0;
    // Column by column, the four channels and then zeros up to the end of the block.
    const rest = new Array<number>(Math.max(block - 4, 0)).fill(0);
    const expected = [1, 3, 5, 7, ...rest, 2, 4, 6, 8, ...rest];
    return block >= 4 && expected.join() === Array.from(y?.data as Float32Array).join() ? block : undefined;
  } catch {
    // A runtime without these kernels runs the plain step.
    return undefined;
  }
}
