// Lowers train steps for the runtime at hand: which of its kernels can be used is found out by trying them.
import { elementCount } from "@perennial-fl/core";
import { lower, OnnxModule } from "@perennial-fl/module";
import type { Lowered, LoweringName } from "@perennial-fl/module";
import type { InferenceSession } from "onnxruntime-node";
import type { TrainingGraph } from "./protocol.js";
import type { Runtime } from "./runtime.js";
import { workspaceBytes, workspaceBytesMax } from "./workspace.js";

/** What of a step differs from the plain one for whoever runs it. */
export type Form = Omit<Lowered, "graph">;

export const plain: Form = { layouts: new Map() };

export interface LoweredStep {
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  readonly form: Form;
}

export type Lower = (step: TrainingGraph) => Promise<LoweredStep>;

/** With no lowerings named, a step stays as it is. */
export function lowererOf(
  runtime: Runtime,
  lowerings: readonly LoweringName[],
  options: InferenceSession.SessionOptions,
): Lower {
  let blockSize: Promise<number | undefined> | undefined;
  return async ({ bytes, references }) => {
    if (lowerings.length === 0) return { bytes, form: plain };
    const inBlocks = lowerings.includes("blocked-convolutions");
    const found = inBlocks ? await (blockSize ??= findBlockSize(runtime, options)) : undefined;
    const { graph: step } = OnnxModule.fromBytes(bytes);
    const lowered = (names: readonly LoweringName[]): Lowered =>
      lower(step, { lowerings: names, references, ...(found === undefined ? {} : { blockSize: found }) });
    const all = lowered(lowerings);
    const fits = workspaceBytes(lengthsOf(all)) <= workspaceBytesMax;
    const { graph, ...form } = fits ? all : lowered(lowerings.filter((name) => name !== "updates-in-place"));
    return { bytes: OnnxModule.fromGraph(graph).toBytes(), form };
  };
}

/** Of all arrays that updates work on. */
function lengthsOf({ graph, updates }: Lowered): number[] {
  const held = new Set([...(updates?.inPlace ?? []), ...(updates?.read ?? [])]);
  const inputs = graph.inputs.filter(({ name }) => held.has(name));
  return [...inputs, ...(updates?.gradients ?? [])].map(({ shape }) =>
    elementCount((shape ?? []) as readonly number[]),
  );
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
