// A node with the values that go into it, as the rules for its shape and its gradient read it.
import { FederationError } from "@perennial-fl/core";
import type { Value } from "./builder.js";
import { describeNode } from "./graph.js";
import type { Node } from "./graph.js";

/** `a`, `b` and `c` are the first inputs; to read one that is left out is an error. */
export class NodeSite {
  readonly node: Node;
  readonly #inputs: readonly (Value | undefined)[];

  constructor(node: Node, inputs: readonly (Value | undefined)[]) {
    this.node = node;
    this.#inputs = inputs;
  }

  get a(): Value {
    return this.input(0);
  }
  get b(): Value {
    return this.input(1);
  }
  get c(): Value {
    return this.input(2);
  }

  get count(): number {
    return this.#inputs.length;
  }

  has(index: number): boolean {
    return this.#inputs[index] !== undefined;
  }

  /** All inputs of a node that leaves none out. */
  get operands(): readonly Value[] {
    return this.#inputs.map((_, i) => this.input(i));
  }

  input(index: number): Value {
    const value = this.#inputs[index];
    if (value !== undefined) return value;
    throw new FederationError("model/shape", `reading the ${describeNode(this.node)}: it lacks input ${index}`);
  }
}
