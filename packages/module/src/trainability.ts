// Whether a module can be trained here and, if not, which nodes stand in the way and what to do about each.
import { isFederationError } from "@perennial-fl/core";
import { graphBuilder } from "./builder.js";
import type { GraphBuilder, Value } from "./builder.js";
import { decompositions } from "./decompositions/rules.js";
import { masksFrom, generatorHeader } from "./dropout.js";
import { gradientRules } from "./gradient/rules.js";
import { describeNode } from "./graph.js";
import type { Graph, Node } from "./graph.js";
import type { OnnxModule } from "./module.js";
import { scalarsKey } from "./parameters.js";
import { rewrites } from "./rewrites/rules.js";
import { shapeRules } from "./shapes/rules.js";
import { newestOpset, oldestOpset, ownRow, trace } from "./trace.js";

/** Something in the way of training. */
export interface Obstacle {
  /** `NonMaxSuppression node "boxes"`, or `the module` where no single node is at fault. */
  readonly where: string;
  readonly operator?: string;
  /** `""` is ONNX's own. */
  readonly domain?: string;
  readonly why: string;
  readonly remedy: string;
}

export interface Trainability {
  /** Nothing stands in the way. */
  readonly trainable: boolean;
  readonly obstacles: readonly Obstacle[];
  /** What a person should know of a module that can be trained: what its export took away, what is taken for a constant. */
  readonly notes: readonly string[];
}

/** Looks at every node, then at the shapes, then at the way of the gradients; what a later look needs must have passed the earlier ones. */
export function trainability(module: OnnxModule): Trainability {
  const { graph } = module;
  const obstacles = [...moduleObstacles(module), ...graph.nodes.flatMap((node) => operatorObstacles(node, graph))];
  const all = obstacles.length > 0 ? obstacles : tracedObstacles(module);
  return { trainable: all.length === 0, obstacles: all, notes: [...exportNotes(module), ...scalarNotes(module)] };
}

function moduleObstacles({ graph: { opset, inputs, outputs }, parameters }: OnnxModule): Obstacle[] {
  const where = "the module";
  return [
    ...(opset >= oldestOpset && opset <= newestOpset
      ? []
      : [
          {
            where,
            why: `its opset is ${opset}`,
            remedy: `export it in an opset from ${oldestOpset} to ${newestOpset}`,
          },
        ]),
    ...(parameters.length > 0
      ? []
      : [
          {
            where,
            why: "it has no parameters: no initializer of float32 or float64",
            remedy: "export it with its weights as initializers (keep_initializers_as_inputs and constant folding off)",
          },
        ]),
    ...(inputs.length <= 2 && inputs.length > 0 && outputs.length > 0
      ? []
      : [
          {
            where,
            why: `it has ${inputs.length} inputs and ${outputs.length} outputs`,
            remedy: "export it with one input and one output, or with inputs and targets and its loss as an output",
          },
        ]),
  ];
}

function operatorObstacles(node: Node, { domains, opset }: Graph): Obstacle[] {
  const { domain, opType } = node;
  const at = { where: describeNode(node), operator: opType, domain };
  if (domain !== "") {
    const version = domains[domain];
    const why = `its operator is of the domain ${domain}${version === undefined ? "" : ` ${version}`}, not ONNX's own`;
    const remedy = domain.startsWith("com.microsoft")
      ? "take the file from before onnxruntime's optimiser or quantiser changed it"
      : "export with the bodies of custom operators as functions in the file";
    return [{ ...at, why, remedy }];
  }
  const known = [shapeRules, rewrites, decompositions].some((table) => ownRow<unknown>(table, node) !== undefined);
  return known ? [] : [{ ...at, why: `${opType} of opset ${opset} is not supported`, remedy: remedyFor(opType) }];
}

function remedyFor(opType: string): string {
  if (/^QLinear|Quantize|Integer$/.test(opType)) return "train the float32 module, and quantise what comes of it";
  if (["If", "Loop", "Scan"].includes(opType))
    return "export without control flow: trace the module for one path and length";
  if (/^Random|^Bernoulli$|^Multinomial$/.test(opType)) return "draw what is random before the module, and feed it";
  if (/^Sequence|^Optional|^String|^Tfidf/.test(opType))
    return "prepare the data before the module, in tensors of numbers";
  return "let the module end before it, or say it in the operators of FEATURES.md";
}

/** What only shows when the graph is laid out: shapes that do not fit, and operators that gradients cannot pass. */
function tracedObstacles(module: OnnxModule): Obstacle[] {
  const { graph, parameterNames } = module;
  const g = graphBuilder();
  try {
    const state = g.input("dropout.generator of nobody", generatorHeader.dtype, generatorHeader.shape);
    const values = trace(g, graph, {
      batchSize: fixedBatch(graph) ?? 2,
      training: true,
      asInputs: new Set(parameterNames),
      masks: () => masksFrom(g, state),
    });
    const [from, to] = [parameterNames, graph.outputs.map(({ name }) => name)].map((names) =>
      names.flatMap((name) => values.get(name) ?? []),
    ) as [Value[], Value[]];
    const blocked = onTheWay(g, from, to).filter((node) => ownRow(gradientRules, node) === undefined);
    return blocked.map((node) => ({
      where: describeNode(node),
      operator: node.opType,
      domain: node.domain,
      why: `${node.opType} has no gradient, and parameters before it need one`,
      remedy: "freeze those parameters, or let the module end before it",
    }));
  } catch (error) {
    if (!isFederationError(error)) throw error;
    const remedy = "export with shapes that are known but for the first axis, or look at FEATURES.md for what is read";
    return [{ where: "the module", why: error.message, remedy }];
  }
}

/** The batch that an input insists on. */
function fixedBatch({ inputs }: Graph): number | undefined {
  const [length] = inputs[0]?.shape ?? [];
  return typeof length === "number" ? length : undefined;
}

/** The nodes through which floats flow from some values to others. */
function onTheWay(g: GraphBuilder, from: readonly Value[], to: readonly Value[]): Node[] {
  const isFloat = ({ dtype }: Value): boolean => dtype === "float32" || dtype === "float64";
  const reached = new Set(from.map(({ name }) => name));
  for (const { inputs, outputs } of g.placed) {
    if (!inputs.some((value) => value !== undefined && reached.has(value.name))) continue;
    for (const value of outputs) if (isFloat(value)) reached.add(value.name);
  }
  const wanted = new Set(to.map(({ name }) => name));
  const nodes: Node[] = [];
  for (const { node, inputs, outputs } of g.placed.toReversed()) {
    if (!outputs.some(({ name }) => wanted.has(name) && reached.has(name))) continue;
    for (const value of inputs) if (value !== undefined) wanted.add(value.name);
    nodes.push(node);
  }
  return nodes.reverse();
}

function exportNotes({ exportSigns }: OnnxModule): string[] {
  const { foldedNormalisations: folded, evaluatingNormalisations: evaluating, dropouts } = exportSigns;
  const lost = dropouts === 0 ? ", and dropout is gone if there was any" : "";
  const again = `export again in training mode to train as in PyTorch (see "From PyTorch" in the README of @perennial-fl/module)`;
  const are = (count: number): string => (count === 1 ? "1 BatchNormalization is" : `${count} BatchNormalizations are`);
  if (folded > 0) {
    return [`${are(folded)} folded into the layers before, which are trained as they stand${lost}: ${again}`];
  }
  if (evaluating === 0) return [];
  return [`it was exported in evaluation mode: ${are(evaluating)} trained all the same${lost}: ${again}`];
}

/** Exporters' own constants are no news. */
function scalarNotes({ graph: { initializers }, parameterNames }: OnnxModule): string[] {
  const trained = new Set(parameterNames);
  const names = [...initializers].flatMap(([name, { dtype, shape }]) =>
    dtype.startsWith("float") && shape.length === 0 && !trained.has(name) && isWord(name) ? [name] : [],
  );
  if (names.length === 0) return [];
  const said =
    names.length === 1
      ? `the scalar ${names.join()} is taken for a constant: to train it, name it`
      : `the scalars ${names.join(", ")} are taken for constants: to train any, name them`;
  return [`${said} in the file's metadata under ${scalarsKey}`];
}

function isWord(name: string): boolean {
  return /^[A-Za-z]\w*$/.test(name) && !/^(val|scalar|constant|const)_|_output_\d+$/i.test(name);
}
