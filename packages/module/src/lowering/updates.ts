// Updates in place: what an optimizer does to single elements leaves the graph and becomes one loop over memory for each tensor.
import { assert } from "@perennial-fl/core";
import type { Graph, Node } from "../graph.js";
import type { Anatomy } from "./anatomy.js";
import { kernels } from "./kernel.js";
import type { Instruction, Operand, Operation, Program } from "./kernel.js";
import { updateRegions } from "./update-regions.js";
import type { NamedHeader } from "../optimizers/optimizer.js";
import type { UpdateRegion } from "./update-regions.js";

/** A call of a kernel: the arrays at whose elements it works, by the names of graph inputs or outputs, and its single values. */
export interface Update {
  /** The name of the function in {@link Updates.kernels}. */
  readonly kernel: string;
  /** Of one length. */
  readonly arrays: readonly string[];
  /** Graph outputs of one element, float32 or bool. */
  readonly scalars: readonly string[];
}

/** What is to be done after each run of the graph. */
export interface Updates {
  /** A WebAssembly module. It imports `memory.memory`; a function takes addresses, scalars, and a number of bytes that 16 divides. */
  readonly kernels: Uint8Array<ArrayBuffer>;
  readonly calls: readonly Update[];
  /** Graph inputs that the calls change, or that stay as they are: they have no output `new.<input>`. */
  readonly inPlace: readonly string[];
  /** Graph inputs that the calls only read. */
  readonly read: readonly string[];
  /** Graph outputs that the calls read. */
  readonly gradients: readonly NamedHeader[];
}

/** The step without the work of its {@link Updates}, which is undefined where there is none. */
export function separatedUpdates(
  graph: Graph,
  anatomy: Anatomy,
  references: ReadonlySet<string>,
): { readonly graph: Graph; readonly updates?: Updates } {
  const regions = updateRegions(graph, anatomy, references);
  if (regions.length === 0) return { graph };
  const inputs = new Map(graph.inputs.map((input) => [input.name, input]));
  // An input cannot be an output as it is.
  const fetched = (scalar: string): string => (inputs.has(scalar) ? `fetched.${scalar}` : scalar);
  const programs = new Map<string, { readonly index: number; readonly program: Program }>();
  const calls = regions.flatMap((region): Update[] => {
    const { program, arrays, scalars } = programOf(region, anatomy);
    if (program.stores.length === 0) return [];
    const key = JSON.stringify(program);
    const { index } = programs.get(key) ?? { index: programs.size };
    programs.set(key, { index, program });
    return [{ kernel: String(index), arrays, scalars: scalars.map(fetched) }];
  });
  const inPlace = regions.flatMap(({ changed }) => changed);
  const headerOf = (name: string): NamedHeader => {
    const header = anatomy.header(name);
    assert(header !== undefined, `the shape of ${name} is known`);
    return { name: fetched(name), dtype: header.dtype, shape: header.shape };
  };
  const gradients = [...new Set(regions.flatMap(({ computed }) => computed))].map(headerOf);
  const taken = new Set(regions.flatMap(({ nodes }) => nodes));
  const scalars = new Set(
    regions.flatMap((region) => region.scalars).filter((name) => anatomy.constant(name) === undefined),
  );
  const dropped = new Set(inPlace.map((name) => `new.${name}`));
  const kept = graph.outputs.filter(({ name }) => !dropped.has(name));
  const wanted = [...gradients, ...[...scalars].map(headerOf)];
  const copies = [...scalars]
    .filter((name) => inputs.has(name))
    .map((name): Node => ({ ...identity, inputs: [name], outputs: [fetched(name)] }));
  return {
    graph: {
      ...graph,
      nodes: [...graph.nodes.filter((node) => !taken.has(node)), ...copies],
      // A gradient may already be an output for itself.
      outputs: [...kept, ...wanted.filter(({ name }) => kept.every((output) => output.name !== name))],
    },
    updates: {
      kernels: kernels([...programs.values()].map(({ program }) => program)),
      calls,
      inPlace,
      read: [...new Set(regions.flatMap(({ read }) => read))],
      gradients,
    },
  };
}

const identity = { name: "", opType: "Identity", domain: "", attributes: {} };

interface Compiled {
  readonly program: Program;
  readonly arrays: readonly string[];
  readonly scalars: readonly string[];
}

function programOf({ nodes, changed, read, computed, scalars: single }: UpdateRegion, anatomy: Anatomy): Compiled {
  const arrays = [...changed, ...read, ...computed];
  const scalars = single.filter((name) => anatomy.constant(name) === undefined);
  const constants = single.filter((name) => !scalars.includes(name));
  const operands = new Map<string, Operand>([
    ...arrays.map((name, i): [string, Operand] => [name, ["array", i]]),
    ...scalars.map((name, i): [string, Operand] => [name, ["scalar", i]]),
    ...constants.map((name): [string, Operand] => [name, ["constant", Number(anatomy.constant(name)?.data[0])]]),
  ]);
  const instructions: Instruction[] = [];
  const emit = (operation: Operation, ...inputs: readonly Operand[]): Operand => {
    instructions.push({ operation, operands: inputs });
    return ["result", instructions.length - 1];
  };
  for (const node of nodes) {
    const given = node.inputs.map((name) => operands.get(name));
    operands.set(node.outputs[0] as string, translated(node, given, emit));
  }
  const stores = changed.flatMap((name, array): (readonly [number, Operand])[] => {
    const made = operands.get(`new.${name}`) as Operand;
    // What stays as it is needs no store.
    return made[0] === "array" && made[1] === array ? [] : [[array, made]];
  });
  return { program: { arrays: arrays.length, scalars: scalars.length, instructions, stores }, arrays, scalars };
}

function translated(
  { opType }: Node,
  [a, b, c]: readonly (Operand | undefined)[],
  emit: (operation: Operation, ...operands: readonly Operand[]) => Operand,
): Operand {
  assert(a !== undefined, "the operands of a region's nodes are made before them");
  if (opType === "Identity") return a;
  if (opType === "Clip") {
    const above = b === undefined ? a : emit("max", a, b);
    return c === undefined ? above : emit("min", above, c);
  }
  if (b === undefined) return emit(opType.toLowerCase() as Operation, a);
  return c === undefined ? emit(opType.toLowerCase() as Operation, a, b) : emit("select", b, c, a);
}
