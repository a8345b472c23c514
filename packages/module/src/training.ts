// A module's train step and its evaluation, each as one ordinary ONNX graph that a plain InferenceSession runs.
import { FederationError } from "@perennial-fl/core";
import type { TensorHeader } from "@perennial-fl/core";
import { bufferNames } from "./buffers.js";
import { graphBuilder } from "./builder.js";
import type { GraphBuilder, Value } from "./builder.js";
import { gradientsOf } from "./differentiate.js";
import { generatorHeader, generatorState, masksFrom, nextState } from "./dropout.js";
import type { Masks } from "./dropout.js";
import type { Loss } from "./losses/loss.js";
import { OnnxModule } from "./module.js";
import type { NamedHeader, Optimizer, Reference, StateTensor } from "./optimizers/optimizer.js";
import type { BufferUpdates } from "./rewrites/rewrite.js";
import { trace } from "./trace.js";

export interface TrainingOptions {
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Every batch has exactly so many examples; a last, shorter batch needs a graph of its own. */
  readonly batchSize: number;
  /** Whether a parameter stays as it is: nothing is differentiated by it, and it has no memory. */
  readonly frozen?: (parameter: string) => boolean;
}

export interface TrainingGraph {
  /** The ONNX file of the step. It holds no parameters: they are fed and come back. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** Fed under these names, in the module's order; the new values are the outputs `new.<name>`. */
  readonly parameters: readonly NamedHeader[];
  /** Likewise, with the values before the first step: the optimizer's memory, and the generator of dropout. */
  readonly optimizerState: readonly StateTensor[];
  /** Fed under these names, the same in every step; empty unless the optimizer asks for them. */
  readonly references: readonly Reference[];
  /** Which of {@link optimizerState} is the generator's, where something is dropped; see {@link generatorState}. */
  readonly generator?: string;
  readonly inputs: {
    readonly features: NamedHeader;
    readonly targets: NamedHeader;
    readonly learningRate: NamedHeader;
  };
  readonly outputs: { readonly loss: NamedHeader };
}

/** Forward, loss, backward and optimizer. Throws `model/unsupported`, naming operator and node, for what cannot be trained. */
export function trainingGraph(module: OnnxModule, options: TrainingOptions): TrainingGraph {
  const { loss, optimizer, batchSize, frozen = () => false } = options;
  const g = graphBuilder();
  const buffers: BufferUpdates = new Map();
  const learningRate = g.input(freeName(module, "learningRate"), "float32", []);
  const parameters = namedParameters(module);
  const fixed = bufferNames(module);
  const trainable = parameters.filter(({ name }) => !fixed.has(name) && !frozen(name));
  const memory = optimizer.state(trainable);
  const references = optimizer.references?.(trainable) ?? [];
  const held = new Map(
    [...memory, ...references].map(({ name, dtype, shape }) => [name, g.input(name, dtype, shape)] as const),
  );

  const generator = generatorOf(g, freeName(module, "dropout.generator"));
  const made = forward(g, module, { loss, batchSize, training: true, buffers, masks: generator.masks });
  const { features, targets, prediction, values } = made;
  const cost = loss.cost(g, prediction, targets);
  const leaves = trainable.map(({ name }) => values.get(name) as Value);
  const gradients = gradientsOf(g, cost, leaves);
  const trained = leaves.flatMap((parameter, i) => {
    const gradient = gradients[i];
    return gradient === undefined ? [] : [{ parameter, gradient }];
  });
  const next = new Map([...buffers, ...generator.next(), ...optimizer.step(g, trained, held, learningRate)]);

  // What the loss does not depend on comes back as it was.
  const kept = new Map([...values, ...held]);
  const optimizerState = [...memory, ...generator.state()];
  const outputs = [...parameters, ...optimizerState].map(
    ({ name }) => [`new.${name}`, next.get(name) ?? (kept.get(name) as Value)] as const,
  );
  const [drawing] = generator.state();
  return {
    model: OnnxModule.fromGraph(g.graph("train step", { loss: cost, ...Object.fromEntries(outputs) })).toBytes(),
    parameters,
    optimizerState,
    references,
    ...(drawing === undefined ? {} : { generator: drawing.name }),
    inputs: { features: header(features), targets: header(targets), learningRate: header(learningRate) },
    outputs: { loss: { name: "loss", dtype: cost.dtype, shape: [] } },
  };
}

/** The generator of dropout, which is in the graph only if something asks it for masks. */
function generatorOf(g: GraphBuilder, name: string) {
  let drawn: { readonly state: Value; readonly masks: Masks } | undefined;
  return {
    masks: (): Masks => {
      if (drawn === undefined) {
        const state = g.input(name, generatorHeader.dtype, generatorHeader.shape);
        drawn = { state, masks: masksFrom(g, state) };
      }
      return drawn.masks;
    },
    state: (): StateTensor[] =>
      drawn === undefined ? [] : [{ name, ...generatorHeader, initial: generatorState("unseeded") }],
    next: (): [string, Value][] => (drawn === undefined ? [] : [[name, nextState(g, drawn.state)]]),
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
  /**
   * `loss` is a sum over the batch, to be divided by the sum of `weight`, or by the number of examples where that is absent;
   * `correct` counts right predictions of `counted` (or of all examples), for losses that know what right is.
   */
  readonly outputs: {
    readonly loss: NamedHeader;
    readonly weight?: NamedHeader;
    readonly correct?: NamedHeader;
    readonly counted?: NamedHeader;
    readonly logits: NamedHeader;
  };
}

/** Forward and loss, without anything that only training does. */
export function evaluationGraph(module: OnnxModule, { loss, batchSize }: EvaluationOptions): EvaluationGraph {
  const g = graphBuilder();
  const { features, targets, prediction } = forward(g, module, { loss, batchSize, training: false });
  const made = {
    loss: loss.sum(g, prediction, targets),
    weight: loss.weight?.(g, prediction, targets),
    correct: loss.correct?.(g, prediction, targets),
    counted: loss.counted?.(g, prediction, targets),
    logits: prediction,
  };
  const outputs = Object.entries(made).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const named = outputs.map(([name, { dtype, shape }]) => [name, { name, dtype, shape }]);
  return {
    model: OnnxModule.fromGraph(g.graph("evaluation", Object.fromEntries(outputs))).toBytes(),
    parameters: namedParameters(module),
    inputs: { features: header(features), targets: header(targets) },
    outputs: Object.fromEntries(named) as EvaluationGraph["outputs"],
  };
}

interface ForwardOptions {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly training: boolean;
  readonly buffers?: BufferUpdates;
  readonly masks?: () => Masks;
}

function forward(g: GraphBuilder, module: OnnxModule, { loss, batchSize, training, buffers, masks }: ForwardOptions) {
  const { inputs, outputs } = module.graph;
  const [input, second] = inputs;
  const output = loss.output === undefined ? outputs[0] : outputs.find(({ name }) => name === loss.output);
  const wanted = loss.output === undefined ? 1 : 2;
  if (input === undefined || output === undefined || inputs.length !== wanted || (wanted === 1 && outputs.length > 1)) {
    const needed = wanted === 1 ? "one of each is" : `two inputs and an output "${loss.output ?? ""}" are`;
    throw new FederationError(
      "model/unsupported",
      `training a module: it has ${inputs.length} inputs and ${outputs.length} outputs, and ${needed} needed`,
    );
  }
  const values = trace(g, module.graph, {
    batchSize,
    training,
    asInputs: new Set(module.parameterNames),
    ...(masks === undefined ? {} : { masks }),
    ...(buffers === undefined ? {} : { buffers }),
  });
  const [features, prediction] = [values.get(input.name), values.get(output.name)];
  if (features === undefined || prediction === undefined) {
    throw new FederationError("model/corrupt", `training a module: no node makes its output "${output.name}"`);
  }
  const own = second === undefined ? undefined : values.get(second.name);
  const targets = own ?? g.input(freeName(module, "targets"), ...pair(loss.targets(prediction)));
  return { features, targets, prediction, values };
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
