// Reverse-mode differentiation: one walk from the loss back to what it is differentiated by.
import { FederationError, assert } from "@perennial-fl/core";
import { graphBuilder } from "./builder.js";
import type { GraphBuilder, Value } from "./builder.js";
import { describeNode } from "./graph.js";
import type { Graph, Node } from "./graph.js";
import { gradientRules } from "./gradient/rules.js";
import { GradientSite } from "./gradient/site.js";
import type { GradientRule } from "./gradient/site.js";
import { trace } from "./trace.js";

/**
 * The graph with one more output per name: `gradient.<name>`, the gradient of the scalar `loss` with respect to that
 * input or initializer. Every shape must be known. Throws `model/unsupported`, naming operator and node, where a rule is missing.
 */
export function differentiate(graph: Graph, loss: string, withRespectTo: readonly string[]): Graph {
  const g = graphBuilder();
  const values = trace(g, graph, {});
  const find = (name: string): Value => {
    const value = values.get(name);
    if (value === undefined)
      throw new FederationError("argument/invalid", `differentiating a graph: it has no value "${name}"`);
    return value;
  };
  const gradients = gradientsOf(g, find(loss), withRespectTo.map(find));
  const outputs = graph.outputs.map(({ name }) => [name, find(name)] as const);
  const added = withRespectTo.map(
    (name, i) => [`gradient.${name}`, gradients[i] ?? g.mul(find(name), g.scalar(0, find(name)))] as const,
  );
  return g.graph(graph.name, Object.fromEntries([...outputs, ...added]));
}

/** Adds nodes for the gradients of a scalar; `undefined` where the scalar does not depend on a value. */
export function gradientsOf(g: GraphBuilder, loss: Value, withRespectTo: readonly Value[]): (Value | undefined)[] {
  if (loss.shape.length !== 0) {
    throw new FederationError(
      "model/shape",
      `differentiating "${loss.name}": a loss is a scalar, not [${loss.shape.join(", ")}]`,
    );
  }
  const forward = [...g.placed];
  const needed = new Set(withRespectTo.map(({ name }) => name));
  for (const { inputs, outputs } of forward) {
    if (!inputs.some((value) => value !== undefined && needed.has(value.name))) continue;
    for (const { name, dtype } of outputs) if (dtype === "float32" || dtype === "float64") needed.add(name);
  }
  const partials = new Map<string, Value[]>([[loss.name, [g.scalar(1, loss)]]]);
  const total = (value: Value): Value | undefined => {
    const [first, ...rest] = partials.get(value.name) ?? [];
    return first === undefined ? undefined : rest.reduce((sum, partial) => g.add(sum, partial), first);
  };
  for (const placed of forward.reverse()) {
    const wanted = placed.inputs.map((value) => (value !== undefined && needed.has(value.name) ? value : undefined));
    const gradients = placed.outputs.map(total);
    if (wanted.every((value) => value === undefined) || gradients.every((value) => value === undefined)) continue;
    const made = ruleOf(placed.node)(g, new GradientSite(g, placed, gradients));
    wanted.forEach((value, i) => {
      const gradient = value === undefined ? undefined : made[i];
      if (value === undefined || gradient === undefined) return;
      const summed = reduceTo(g, gradient(), value);
      partials.set(value.name, [...(partials.get(value.name) ?? []), summed]);
    });
  }
  return withRespectTo.map(total);
}

/** The rule of a node's operator. Throws `model/unsupported`, naming operator and node, where there is none. */
export function ruleOf(node: Node): GradientRule {
  const rule = node.domain === "" && Object.hasOwn(gradientRules, node.opType) ? gradientRules[node.opType] : undefined;
  if (rule === undefined) {
    throw new FederationError(
      "model/unsupported",
      `differentiating a graph: the ${describeNode(node)} has no gradient rule`,
    );
  }
  return rule;
}

/** Undoes broadcasting: what was copied forward is summed backward. */
function reduceTo(g: GraphBuilder, gradient: Value, target: Value): Value {
  const lead = gradient.shape.length - target.shape.length;
  assert(lead >= 0, `a gradient has at least the axes of "${target.name}"`);
  const axes = gradient.shape.flatMap((length, i) =>
    i < lead || (target.shape[i - lead] === 1 && length !== 1) ? [i] : [],
  );
  return g.reshape(g.sum(gradient, axes), target.shape);
}
