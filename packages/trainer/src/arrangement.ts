// Where the values of a training lie in the worker: in the order and in the memory that a form of its step wants.
import { elementCount, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { arranged, restored } from "@perennial-fl/module";
import type { Layout } from "@perennial-fl/module";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { discard } from "./discard.js";
import type { Form } from "./lowering.js";
import type { Runtime } from "./runtime.js";
import { toOrt } from "./tensors.js";
import type { Places, Workspace } from "./workspace.js";

/** By the names of a graph's inputs. */
export type Values = ReadonlyMap<string, OrtTensor>;

export interface Arrangement {
  readonly form: Form;
  /** What is fed beside the batch. */
  readonly current: Values;
  /** Memory for what the graph itself renews. It and `current` change places in every step. */
  readonly next: Values;
  /** Memory for what updates read of the graph's results, by the names of outputs. */
  readonly gradients: Values;
  /** What updates work on. */
  readonly places: Places;
}

/** As values come: in ONNX's order, and in memory of their own. */
export function unarranged(current: Values): Arrangement {
  return { form: { layouts: new Map() }, current, next: new Map(), gradients: new Map(), places: new Map() };
}

/** The same values for another form. `renewed` says which of them a step changes. */
export function arrangedFor(
  form: Form,
  from: Arrangement,
  { renewed, workspace, runtime }: { renewed: ReadonlySet<string>; workspace: Workspace; runtime: Runtime },
): Arrangement {
  // Placing makes void what was placed before, so everything is taken out first.
  const taken = new Map(
    Array.from(from.current.keys(), (name) => [name, takenFrom(from, name, form.layouts.get(name))]),
  );
  discardOwn(from, new Set([...taken.values()].map(({ data }) => data.buffer)));
  const { inPlace = [], read = [], gradients = [] } = form.updates ?? {};
  const held = [...inPlace, ...read];
  const lengths = [
    ...held.map((name) => [name, taken.get(name)?.data.length ?? 0] as const),
    ...gradients.map(({ name, shape }) => [name, elementCount(shape)] as const),
  ];
  const places = workspace.place(new Map(lengths));
  const placed = (value: Omit<Tensor, "data">, name: string): OrtTensor =>
    toOrt(runtime, { ...value, data: places.get(name) as Float32Array });
  for (const name of held) {
    const { data } = taken.get(name) as Tensor;
    places.get(name)?.set(data as Float32Array);
    discard([data.buffer]);
  }
  const free = [...taken].filter(([name]) => !places.has(name));
  return {
    form,
    places,
    current: new Map(
      Array.from(taken, ([name, value]) => [name, places.has(name) ? placed(value, name) : toOrt(runtime, value)]),
    ),
    next: new Map(
      free
        .filter(([name]) => renewed.has(name))
        .map(([name, value]) => [name, toOrt(runtime, { ...value, data: value.data.slice() })]),
    ),
    gradients: new Map(gradients.map((header) => [header.name, placed(header, header.name)])),
  };
}

/** A value in another order, in memory that is not shared with others. */
export function takenFrom({ current, form, places }: Arrangement, name: string, layout: Layout | undefined): Tensor {
  const { type, dims, data } = current.get(name) as OrtTensor;
  const held = tensor(type as Tensor["dtype"], dims, data as never);
  const own = form.layouts.get(name);
  if (JSON.stringify(own) === JSON.stringify(layout))
    return places.has(name) ? { ...held, data: held.data.slice() } : held;
  const plain = own === undefined ? held : restored(held, own);
  return layout === undefined ? plain : arranged(plain, layout);
}

/** Frees the memory of an arrangement that is over. */
function discardOwn({ current, next, places }: Arrangement, kept: ReadonlySet<ArrayBufferLike>): void {
  const own = [...current, ...next].filter(([name]) => !places.has(name)).map(([, { data }]) => bufferOf(data));
  discard(own.filter((buffer) => !kept.has(buffer)));
}

function bufferOf(data: OrtTensor["data"]): ArrayBufferLike {
  return (data as Float32Array).buffer;
}
