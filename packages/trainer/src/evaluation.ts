// Evaluation, as the worker runs it: sums over batches, divided once.
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { allocateBatch, fillBatch } from "./batches.js";
import type { Examples } from "./dataset.js";
import type { Control, EvaluateTask } from "./protocol.js";
import type { Runtime } from "./runtime.js";
import type { Sessions } from "./sessions.js";
import { beginStep, graphFor } from "./task.js";
import { batchTensors, toOrt } from "./tensors.js";
import type { Evaluated } from "./trainer.js";

export async function evaluate(
  task: EvaluateTask,
  examples: Examples,
  runtime: Runtime,
  sessions: Sessions,
  shared: Control,
): Promise<Evaluated> {
  const { count } = examples;
  const parameters = task.parameters.map((held) => toOrt(runtime, held));
  let [loss, weight, correct, counted, step] = [0, 0, 0, 0, 0];
  let batch = allocateBatch(examples, Math.min(task.batchSize, count));
  let counts = false;
  for (let start = 0; start < count; start += task.batchSize) {
    beginStep(shared, "evaluation", 0, ++step);
    const size = Math.min(task.batchSize, count - start);
    if (batch.size !== size) batch = allocateBatch(examples, size);
    fillBatch(batch, examples, start);
    const graph = graphFor(task.graphs, size);
    const outputs = await sessions.run(graph, {
      ...Object.fromEntries(graph.parameters.map((name, i) => [name, parameters[i] as OrtTensor])),
      ...batchTensors(runtime, batch, graph),
    });
    const scalar = (name: string): number => Number((outputs[name] as OrtTensor).data[0]);
    loss += scalar(graph.loss);
    weight += graph.weight === undefined ? size : scalar(graph.weight);
    counts = graph.correct !== undefined;
    if (graph.correct !== undefined) correct += scalar(graph.correct);
    counted += graph.counted === undefined ? size : scalar(graph.counted);
  }
  return { loss: loss / weight, ...(counts ? { accuracy: correct / counted } : {}), numExamples: count };
}
