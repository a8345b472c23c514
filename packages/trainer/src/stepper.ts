// Train steps one after the other: what one gives is what the next one takes.
import type { Tensor } from "@perennial-fl/core";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { arrangedFor, takenFrom, unarranged } from "./arrangement.js";
import type { Values } from "./arrangement.js";
import type { Batch } from "./batches.js";
import { discard } from "./discard.js";
import type { Carried, TrainingGraph, TrainTask } from "./protocol.js";
import type { Runtime } from "./runtime.js";
import type { Sessions } from "./sessions.js";
import { graphFor } from "./task.js";
import { batchTensors, toOrt } from "./tensors.js";

export interface Stepper {
  /** One step on a batch, and its loss. Where that is not finite, values may be as before or of no use. */
  run(batch: Batch, learningRate: number): Promise<number>;
  /** What the last step gave, in ONNX's order, in memory of its own. */
  values(): { readonly parameters: Tensor[]; readonly state: Tensor[] };
}

/** The task's tensors belong to the stepper. */
export function stepper(task: TrainTask, runtime: Runtime, sessions: Sessions): Stepper {
  // Graphs for other batches have inputs and outputs of the same names.
  const { parameters, state, references } = (task.graphs.full ?? task.graphs.rest) as TrainingGraph;
  const carried = [...parameters, ...state];
  const renewed = new Set(carried.map(({ input }) => input));
  const given = [...task.parameters, ...task.state, ...task.references];
  const first = [...renewed, ...references].map((name, i) => [name, toOrt(runtime, given[i] as Tensor)] as const);
  const { workspace } = sessions;
  let now = unarranged(new Map(first));

  return {
    async run(batch, learningRate) {
      const graph = graphFor(task.graphs, batch.size);
      const form = await sessions.form(graph);
      if (form !== now.form) now = arrangedFor(form, now, { renewed, workspace, runtime });
      const { current, next, gradients, places } = now;
      const feeds = {
        ...Object.fromEntries(current),
        ...batchTensors(runtime, batch, graph),
        [graph.learningRate]: new runtime.Tensor("float32", Float32Array.of(learningRate), []),
      };
      const lent = new Map([...renamed(next, carried), ...gradients]);
      const singles = [graph.loss, ...(form.updates?.calls.flatMap(({ scalars }) => scalars) ?? [])];
      const wanted = {
        // What onnxruntime-web is lent it gives back as it was.
        ...Object.fromEntries(Array.from(lent, ([name, value]) => [name, runtime.fillsFetches ? value : null])),
        ...Object.fromEntries(singles.map((name) => [name, null])),
      };
      const results = await sessions.run(graph, feeds, wanted);
      if (!runtime.fillsFetches) fill(lent, results);
      discardCopies(results, lent);
      const loss = Number(results[graph.loss]?.data[0]);
      if (form.updates !== undefined && Number.isFinite(loss)) {
        workspace.update(form.updates, places, (name) => Number(results[name]?.data[0]));
      }
      const old = new Map(Array.from(next.keys(), (name) => [name, current.get(name) as OrtTensor]));
      now = { ...now, current: new Map([...current, ...next]), next: old };
      return loss;
    },
    values() {
      const plain = [...renewed].map((name) => takenFrom(now, name, undefined));
      return { parameters: plain.slice(0, parameters.length), state: plain.slice(parameters.length) };
    },
  };
}

/** By the names of the graph's outputs. */
function renamed(values: Values, carried: readonly Carried[]): [string, OrtTensor][] {
  return carried.flatMap(({ input, output }) => {
    const value = values.get(input);
    return value === undefined ? [] : [[output, value]];
  });
}

/** For a runtime that does not fill the memory that it is lent. */
function fill(lent: Values, results: Readonly<Record<string, OrtTensor>>): void {
  for (const [name, { data }] of lent) (data as Float32Array).set(results[name]?.data as Float32Array);
}

/** The runtime fills the memory that it is lent, and gives back a copy beside it. */
function discardCopies(results: Readonly<Record<string, OrtTensor>>, lent: Values): void {
  const bufferOf = (value: OrtTensor | undefined): ArrayBufferLike => (value?.data as Float32Array).buffer;
  const own = new Set(Array.from(lent.values(), bufferOf));
  discard(Array.from(lent.keys(), (name) => bufferOf(results[name])).filter((buffer) => !own.has(buffer)));
}
