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
  before: Arrangement,
  { renewed, workspace, runtime }: { renewed: ReadonlySet<string>; workspace: Workspace; runtime: Runtime },
): Arrangement {
  const from = takenOut(before, runtime);
  const { inPlace = [], read = [], gradients = [] } = form.updates ?? {};
  const lengths = [
    ...[...inPlace, ...read].map((name) => [name, from.current.get(name)?.data.length ?? 0] as const),
    ...gradients.map(({ name, shape }) => [name, elementCount(shape)] as const),
  ];
  const places = workspace.place(new Map(lengths));
  const placed = (value: Omit<Tensor, "data">, name: string): OrtTensor =>
    toOrt(runtime, { ...value, data: places.get(name) as Float32Array });
  // One after the other: all values twice would be the most memory that a small batch needs.
  const moved = (name: string): OrtTensor => {
    const old = bufferOf(from.current.get(name));
    const place = places.get(name);
    const value = takenFrom(from, name, form.layouts.get(name), place);
    const made = value.data.buffer;
    if (place !== undefined && made !== place.buffer) place.set(value.data as Float32Array);
    // Without a place, a value stays where it is or is where it was put.
    discard([old, made].filter((buffer) => buffer !== (place ?? value.data).buffer));
    return place === undefined ? toOrt(runtime, value) : placed(value, name);
  };
  const current = new Map(Array.from(from.current.keys(), (name) => [name, moved(name)]));
  const free = [...current].filter(([name]) => !places.has(name) && renewed.has(name));
  return {
    form,
    places,
    current,
    next: new Map(
      free.map(([name, { type, data, dims }]) => [name, new runtime.Tensor(type, data.slice() as never, dims)]),
    ),
    gradients: new Map(gradients.map((header) => [header.name, placed(header, header.name)])),
  };
}

/** Placing makes void what was placed before, so that is copied; the memory of the other half is not needed any more. */
function takenOut(from: Arrangement, runtime: Runtime): Arrangement {
  discard(Array.from(from.next.values(), bufferOf));
  const current = Array.from(from.current, ([name, value]): [string, OrtTensor] => [
    name,
    from.places.has(name) ? toOrt(runtime, takenFrom(from, name, from.form.layouts.get(name))) : value,
  ]);
  return { ...from, current: new Map(current), next: new Map(), places: new Map() };
}

/** A value in another order, in memory that is not shared with others; in `into` if it is put in an order of its own. */
export function takenFrom(
  { current, form, places }: Arrangement,
  name: string,
  layout: Layout | undefined,
  into?: Float32Array,
): Tensor {
  const { type, dims, data } = current.get(name) as OrtTensor;
  const held = tensor(type as Tensor["dtype"], dims, data as never);
  const own = form.layouts.get(name);
  if (JSON.stringify(own) === JSON.stringify(layout))
    return places.has(name) ? { ...held, data: held.data.slice() } : held;
  const plain = own === undefined ? held : restored(held, own);
  return layout === undefined ? plain : arranged(plain, layout, into);
}

function bufferOf(value: OrtTensor | undefined): ArrayBufferLike {
  return (value?.data as Float32Array).buffer;
}
