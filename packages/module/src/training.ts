// A module's train step and its evaluation, each as one ordinary ONNX graph that a plain InferenceSession runs.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { graphBuilder } from "./builder.js";
import type { GraphBuilder, Value } from "./builder.js";
import { gradientsOf } from "./differentiate.js";
import type { Loss } from "./losses.js";
import { OnnxModule } from "./module.js";
import type { NamedHeader, Optimizer, StateTensor } from "./optimizers.js";
import { trace } from "./trace.js";
import type { BufferUpdates } from "./trace.js";

export interface TrainingOptions {
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Every batch has exactly so many examples; a last, shorter batch needs a graph of its own. */
  readonly batchSize: number;
}

export interface TrainingGraph {
  /** The ONNX file of the step. It holds no parameters: they are fed and come back. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** Fed under these names, in the module's order; the new values are the outputs `new.<name>`. */
  readonly parameters: readonly NamedHeader[];
  /** Likewise, with the values before the first step. */
  readonly optimizerState: readonly StateTensor[];
  readonly inputs: {
    readonly features: NamedHeader;
    readonly targets: NamedHeader;
    readonly learningRate: NamedHeader;
  };
  readonly outputs: { readonly loss: NamedHeader };
}

/** Forward, loss, backward and optimizer. Throws `model/unsupported`, naming operator and node, for what cannot be trained. */
export function trainingGraph(module: OnnxModule, { loss, optimizer, batchSize }: TrainingOptions): TrainingGraph {
  const g = graphBuilder();
  const buffers: BufferUpdates = new Map();
  const shape = predictionShape(module, batchSize);
  const targets = g.input(freeName(module, "targets"), ...pair(loss.targets(shape)));
  const learningRate = g.input(freeName(module, "learningRate"), "float32", []);
  const parameters = namedParameters(module);
  const trainable = parameters.filter(({ name }) => !bufferNames(module).has(name));
  const optimizerState = optimizer.state(trainable);
  const state = new Map(optimizerState.map(({ name, dtype, shape: held }) => [name, g.input(name, dtype, held)]));

  const { features, prediction, values } = forward(g, module, { batchSize, training: true, buffers });
  const cost = loss.mean(g, prediction, targets);
  const leaves = trainable.map(({ name }) => values.get(name) as Value);
  const gradients = gradientsOf(g, cost, leaves);
  const trained = leaves.flatMap((parameter, i) => {
    const gradient = gradients[i];
    return gradient === undefined ? [] : [{ parameter, gradient }];
  });
  const next = new Map([...buffers, ...optimizer.step(g, trained, state, learningRate)]);

  // What the loss does not depend on comes back as it was.
  const kept = new Map([...values, ...state]);
  const outputs = [...parameters, ...optimizerState].map(
    ({ name }) => [`new.${name}`, next.get(name) ?? (kept.get(name) as Value)] as const,
  );
  return {
    model: OnnxModule.fromGraph(g.graph("train step", { loss: cost, ...Object.fromEntries(outputs) })).toBytes(),
    parameters,
    optimizerState,
    inputs: { features: header(features), targets: header(targets), learningRate: header(learningRate) },
    outputs: { loss: { name: "loss", dtype: cost.dtype, shape: [] } },
  };
}

export interface EvaluationOptions {
  readonly loss: Loss;
  readonly batchSize: number;
}

export interface EvaluationGraph {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly parameters: readonly NamedHeader[];
  readonly inputs: { readonly features: NamedHeader; readonly targets: NamedHeader };
  /** `loss` is the sum over the batch; `correct` counts right predictions, for losses that know what right is. */
  readonly outputs: { readonly loss: NamedHeader; readonly correct?: NamedHeader; readonly logits: NamedHeader };
}

/** Forward and loss, without anything that only training does. */
export function evaluationGraph(module: OnnxModule, { loss, batchSize }: EvaluationOptions): EvaluationGraph {
  const g = graphBuilder();
  const targets = g.input(freeName(module, "targets"), ...pair(loss.targets(predictionShape(module, batchSize))));
  const { features, prediction } = forward(g, module, { batchSize, training: false });
  const outputs = {
    loss: loss.sum(g, prediction, targets),
    ...(loss.correct === undefined ? {} : { correct: loss.correct(g, prediction, targets) }),
    logits: prediction,
  };
  const named = Object.entries(outputs).map(([name, { dtype, shape }]) => [name, { name, dtype, shape }]);
  return {
    model: OnnxModule.fromGraph(g.graph("evaluation", outputs)).toBytes(),
    parameters: namedParameters(module),
    inputs: { features: header(features), targets: header(targets) },
    outputs: Object.fromEntries(named) as EvaluationGraph["outputs"],
  };
}

interface ForwardOptions {
  readonly batchSize: number;
  readonly training: boolean;
  readonly buffers?: BufferUpdates;
}

function forward(g: GraphBuilder, module: OnnxModule, { batchSize, training, buffers }: ForwardOptions) {
  const { inputs, outputs } = module.graph;
  const [input] = inputs;
  const [output] = outputs;
  if (input === undefined || output === undefined || inputs.length > 1 || outputs.length > 1) {
    throw new FederationError(
      "model/unsupported",
      `training a module: it has ${inputs.length} inputs and ${outputs.length} outputs, and one of each is needed`,
    );
  }
  const values = trace(g, module.graph, { batchSize, training, parametersAsInputs: true }, buffers);
  const [features, prediction] = [values.get(input.name), values.get(output.name)];
  if (features === undefined || prediction === undefined) {
    throw new FederationError("model/corrupt", `training a module: no node makes its output "${output.name}"`);
  }
  return { features, prediction, values };
}

/** The inputs of a graph come before its nodes, so the prediction's shape is found on a trial. */
function predictionShape(module: OnnxModule, batchSize: number): TensorHeader {
  return forward(graphBuilder(), module, { batchSize, training: false }).prediction;
}

/** Running statistics: fed and exchanged like parameters, but not differentiated. */
function bufferNames(module: OnnxModule): Set<string> {
  const normalisations = module.graph.nodes.filter(({ opType }) => opType === "BatchNormalization");
  return new Set(normalisations.flatMap(({ inputs }) => inputs.slice(3, 5)));
}

function namedParameters(module: OnnxModule): NamedHeader[] {
  return module.parameters.map(({ dtype, shape }, i) => ({ name: module.parameterNames[i] as string, dtype, shape }));
}

function freeName(module: OnnxModule, wanted: string): string {
  const { inputs, initializers } = module.graph;
  const taken = new Set([...inputs.map(({ name }) => name), ...initializers.keys()]);
  let name = wanted;
  while (taken.has(name)) name += "_";
  return name;
}

function pair({ dtype, shape }: TensorHeader) {
  return [dtype, shape] as const;
}

function header({ name, dtype, shape }: Value): NamedHeader {
  return { name, dtype, shape };
}
