// Opens a trainer for a module: its graphs from the module, its worker from this package.
import { FederationError } from "@perennial-fl/core";
import { evaluationGraph, loweringNames, trainingGraph } from "@perennial-fl/module";
import type { Loss, LoweringName, NamedHeader, OnnxModule, Optimizer } from "@perennial-fl/module";
import { requireWhole } from "./checks.js";
import type { ExampleShape } from "./dataset.js";
import type { Graphs } from "./graphs.js";
import type { EvaluationGraph, TrainingGraph } from "./protocol.js";
import { requireSilence } from "./runtime.js";
import type { RuntimeChoice } from "./runtime.js";
import { startTrainer } from "./start.js";
import type { Trainer } from "./trainer.js";

export interface TrainerOptions {
  /** What is trained. Its parameters do not matter here: every call brings its own. */
  readonly module: OnnxModule;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Whether a parameter stays as it is. */
  readonly frozen?: (parameter: string) => boolean;
  /**
   * Threads within one operator (default 1). The bytes of a result are only the same under the same number: keep 1
   * where runs must repeat, and where many clients share a machine.
   */
  readonly threads?: number;
  /** By onnxruntime's name (default `cpu`). */
  readonly executionProvider?: string;
  /**
   * What runs the graphs: onnxruntime-node (`native`), onnxruntime-web (`web`: WebAssembly, needs no native code, several
   * times slower), or the first and where it cannot be loaded the second, with a warning (`auto`, the default).
   */
  readonly runtime?: RuntimeChoice;
  /** Is told when training runs otherwise than asked for (default: `process.emitWarning`). */
  readonly onWarning?: (message: string) => void;
  /**
   * Which faster forms of the train step may take its place where they fit: all (`auto`, the default), none, or those
   * named. They give the plain step's results up to rounding, and each repeats its own to the byte.
   */
  readonly lowering?: "auto" | "none" | readonly LoweringName[];
}

/**
 * Opens a trainer, which has a worker thread until it is closed. Throws `model/unsupported`, naming operator and node,
 * for a module that cannot be trained, `trainer/unavailable`, with the remedy, if the runtime cannot be loaded,
 * and `argument/invalid`.
 */
export async function openTrainer(options: TrainerOptions): Promise<Trainer> {
  const { threads = 1, executionProvider = "cpu", lowering = "auto", runtime = "auto", onWarning } = options;
  requireWhole("threads", threads, 1);
  const lowerings = requireLowerings(lowering, executionProvider);
  if (runtime !== "web") requireSilence();
  const setup = { threads, executionProvider, lowerings, runtime };
  return startTrainer(graphsOf(options), new URL("./worker.js", import.meta.url), setup, onWarning);
}

/** Throws `argument/invalid` for one that does not exist. All of them are for the kernels of the processor. */
function requireLowerings(lowering: TrainerOptions["lowering"], executionProvider: string): readonly LoweringName[] {
  if (lowering === "none") return [];
  if (lowering === "auto" || lowering === undefined) return executionProvider === "cpu" ? loweringNames : [];
  const strange = lowering.find((name) => !loweringNames.includes(name));
  if (strange === undefined) return lowering;
  throw new FederationError(
    "argument/invalid",
    `lowering is "auto", "none" or a list of [${loweringNames.join(", ")}], and names "${strange}"`,
  );
}

function graphsOf({ module, loss, optimizer, frozen }: TrainerOptions): Graphs {
  const plan = { loss, optimizer, ...(frozen === undefined ? {} : { frozen }) };
  const fixedBatch = fixedBatchOf(module);
  const batchSize = fixedBatch ?? 1;
  const probe = trainingGraph(module, { ...plan, batchSize });
  // A module that computes its own loss does not say how many classes it knows.
  const known =
    loss.output === undefined ? evaluationGraph(module, { loss, batchSize }).outputs.logits.shape[1] : undefined;
  return {
    example: exampleShape(probe.inputs.features, probe.inputs.targets, known ?? Infinity, loss.ignoreIndex),
    parameters: probe.parameters,
    initialState: new Map(probe.optimizerState.map(({ name, initial }) => [name, initial])),
    references: probe.references,
    ...(fixedBatch === undefined ? {} : { fixedBatch }),
    ...(probe.generator === undefined ? {} : { generator: probe.generator }),
    learningRate: optimizer.learningRate,
    training: perBatchSize((batchSize): TrainingGraph => {
      const made = trainingGraph(module, { ...plan, batchSize });
      const { model, parameters, optimizerState, references, inputs, outputs } = made;
      return {
        ...batchGraph(`train/${batchSize}`, batchSize, model, inputs, outputs.loss),
        learningRate: inputs.learningRate.name,
        parameters: parameters.map(carried),
        state: optimizerState.map(carried),
        references: references.map(({ name }) => name),
      };
    }),
    evaluation: perBatchSize((batchSize): EvaluationGraph => {
      const { model, parameters, inputs, outputs } = evaluationGraph(module, { loss, batchSize });
      return {
        ...batchGraph(`evaluate/${batchSize}`, batchSize, model, inputs, outputs.loss),
        parameters: parameters.map(({ name }) => name),
        ...(outputs.weight === undefined ? {} : { weight: outputs.weight.name }),
        ...(outputs.correct === undefined ? {} : { correct: outputs.correct.name }),
        ...(outputs.counted === undefined ? {} : { counted: outputs.counted.name }),
      };
    }),
  };
}

function exampleShape(
  features: NamedHeader,
  targets: NamedHeader,
  classes: number,
  ignored: number | undefined,
): ExampleShape {
  for (const { name, dtype } of [features, targets]) {
    if (dtype === "float32" || dtype === "int64") continue;
    throw new FederationError(
      "model/unsupported",
      `training a module: its "${name}" are ${dtype}, neither float32 nor int64`,
    );
  }
  const shape = targets.shape.slice(1);
  return {
    input: { dtype: features.dtype, shape: features.shape.slice(1) },
    target:
      targets.dtype === "int64"
        ? { type: "label", classes, shape, ...(ignored === undefined ? {} : { ignored }) }
        : { type: "value", shape },
  };
}

function batchGraph(
  key: string,
  batchSize: number,
  bytes: Uint8Array,
  { features, targets }: { readonly features: NamedHeader; readonly targets: NamedHeader },
  loss: NamedHeader,
) {
  return {
    key,
    batchSize,
    bytes,
    input: features.name,
    inputShape: features.shape,
    target: targets.name,
    targetShape: targets.shape,
    loss: loss.name,
  };
}

function carried({ name }: NamedHeader) {
  return { input: name, output: `new.${name}` };
}

/** The one size of batch that a module was exported for, if it is not open. */
function fixedBatchOf({ graph }: OnnxModule): number | undefined {
  const length = graph.inputs[0]?.shape?.[0];
  return typeof length === "number" ? length : undefined;
}

/** Builds once for each batch size. */
function perBatchSize<Graph>(build: (batchSize: number) => Graph): (batchSize: number) => Graph {
  const built = new Map<number, Graph>();
  return (batchSize) => {
    const known = built.get(batchSize);
    if (known !== undefined) return known;
    const graph = build(batchSize);
    built.set(batchSize, graph);
    return graph;
  };
}
