// Tensors as the runtime takes them.
import type { Tensor } from "@perennial-fl/core";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import type { Batch } from "./batches.js";
import type { Elements } from "./dataset.js";
import type { BatchGraph } from "./protocol.js";
import type { Runtime } from "./runtime.js";

export function toOrt(runtime: Runtime, { dtype, shape, data }: Tensor): OrtTensor {
  // The names of our element types are the runtime's own.
  return new runtime.Tensor(dtype, data as never, shape);
}

/** A batch as a graph takes it. */
export function batchTensors(runtime: Runtime, batch: Batch, graph: BatchGraph): Record<string, OrtTensor> {
  const ort = (data: Elements, shape: readonly number[]): OrtTensor =>
    data instanceof BigInt64Array
      ? new runtime.Tensor("int64", data, shape)
      : new runtime.Tensor("float32", data, shape);
  return {
    [graph.input]: ort(batch.inputs, graph.inputShape),
    [graph.target]: ort(batch.targets, graph.targetShape),
  };
}
