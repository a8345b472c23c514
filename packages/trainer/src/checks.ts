// The border for everything but data: options, parameters and optimizer states are checked before anything runs.
import { describeTensor, FederationError, isDType, sameHeader } from "@perennial-fl/core";
import type { Parameters, Saved, Tensor, TensorHeader } from "@perennial-fl/core";
import type { Schedule } from "@perennial-fl/module";
import type { Graphs } from "./graphs.js";
import type { Cursor } from "./trainer.js";

/** Throws `argument/invalid` unless `value` is a whole number from `least` on. */
export function requireWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new FederationError("argument/invalid", `${name} is a whole number from ${least}, not ${value}`);
}

/** Throws `argument/invalid` unless training can have stood at the cursor. */
export function requireCursor(cursor: Cursor, firstEpoch: number, stepsPerEpoch: number): void {
  requireWhole("cursor.epoch", cursor.epoch, 0);
  requireWhole("cursor.step", cursor.step, 0);
  if (cursor.epoch === firstEpoch && cursor.step < stepsPerEpoch && Number.isFinite(cursor.lossSum)) return;
  const { epoch, step, lossSum } = cursor;
  throw new FederationError(
    "argument/invalid",
    `the cursor stands at epoch ${epoch}, step ${step} with a loss of ${lossSum}, where firstEpoch is ${firstEpoch} ` +
      `and an epoch has ${stepsPerEpoch} steps`,
  );
}

/**
 * Throws `model/shape`, naming both sizes, where a module of a fixed batch would get batches of another: nothing is
 * dropped or repeated to make the last one fit.
 */
export function requireBatches(doing: string, { fixedBatch }: Pick<Graphs, "fixedBatch">, count: number, size: number) {
  if (fixedBatch === undefined || (size === fixedBatch && count % size === 0)) return;
  const met =
    size === fixedBatch
      ? `${count} examples leave a last batch of ${count % size}`
      : `batches of ${size} are asked for`;
  throw new FederationError(
    "model/shape",
    `${doing}: the module was exported for batches of exactly ${fixedBatch}, and ${met}; export it with an open batch ` +
      `(dynamic_shapes of torch.onnx.export), or use batches of ${fixedBatch} and a number of examples that it divides`,
  );
}

interface Span {
  readonly epochs: number;
  readonly firstEpoch: number;
  readonly stepsPerEpoch: number;
}

/** The rates of a call's steps, or the one of all. Throws `argument/invalid` unless all are finite numbers. */
export function learningRates(rate: number | Schedule, { epochs, firstEpoch, stepsPerEpoch }: Span): Float32Array {
  if (typeof rate === "number") {
    if (Number.isFinite(rate)) return Float32Array.of(rate);
    throw new FederationError("argument/invalid", `learningRate is a finite number, not ${rate}`);
  }
  // A function cannot be sent to the worker; its values can.
  const rates = Float32Array.from({ length: epochs * stepsPerEpoch }, (_, i) => rate(firstEpoch * stepsPerEpoch + i));
  const at = rates.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return rates;
  const step = firstEpoch * stepsPerEpoch + at;
  throw new FederationError(
    "argument/invalid",
    `learningRate is a schedule that gives ${rates[at] ?? NaN} at step ${step}`,
  );
}

/** What the graphs are fed beside the parameters. Throws `argument/invalid` or `model/mismatch` where it is not given or does not fit. */
export function referenceTensors(
  { references, parameters }: Pick<Graphs, "references" | "parameters">,
  current: Parameters,
  { anchor, corrections }: { readonly anchor?: Parameters; readonly corrections?: Parameters },
): Tensor[] {
  const asked = new Set(references.map(({ kind }) => kind));
  const lacks = asked.has("correction") && corrections === undefined;
  const unread =
    (corrections !== undefined && !asked.has("correction")) || (anchor !== undefined && !asked.has("anchor"));
  if (lacks || unread) {
    const how = lacks
      ? "takes corrections, and none were given"
      : "takes no anchor or no corrections, and they were given";
    throw new FederationError("argument/invalid", `training: the optimizer ${how}`);
  }
  for (const given of [anchor, corrections]) if (given !== undefined) requireParameters(given, parameters);
  const places = new Map(parameters.map(({ name }, i) => [name, i]));
  return references.map(({ kind, parameter }) => {
    const given = kind === "anchor" ? (anchor ?? current) : (corrections as Parameters);
    return given[places.get(parameter) as number] as Tensor;
  });
}

/** Throws `model/mismatch`, naming the parameter, unless the parameters are those of the module. */
export function requireParameters(
  parameters: Parameters,
  expected: readonly (TensorHeader & { readonly name: string })[],
): void {
  if (parameters.length !== expected.length) {
    throw mismatch(`${parameters.length} parameters were given for a module that has ${expected.length}`);
  }
  for (const [i, header] of expected.entries()) {
    const given = parameters[i] as Tensor;
    if (sameHeader(given, header)) continue;
    throw mismatch(`parameter ${header.name} is ${describeTensor(header)}, not ${describeTensor(given)}`);
  }
}

/** The tensors of an optimizer's saved state in the order of `initial`, or the initial ones. Throws `model/mismatch`. */
export function stateTensors(state: Saved | undefined, initial: ReadonlyMap<string, Tensor>): Tensor[] {
  if (state === undefined) return [...initial.values()];
  const given = new Map(isDictionary(state) ? Object.entries(state) : []);
  const stranger = [...given.keys()].find((name) => !initial.has(name));
  if (stranger !== undefined || !isDictionary(state)) {
    const what = stranger === undefined ? "is not a dictionary of tensors" : `holds ${stranger}`;
    throw mismatch(`the optimizer's state ${what}, where it should hold [${[...initial.keys()].join(", ")}]`);
  }
  return Array.from(initial, ([name, header]) => {
    const held = given.get(name);
    if (isTensor(held) && sameHeader(held, header)) return held;
    const found = isTensor(held) ? describeTensor(held) : "missing";
    throw mismatch(`the optimizer's state ${name} is ${describeTensor(header)}, but ${found} in the state given`);
  });
}

function isDictionary(value: Saved): value is { readonly [key: string]: Saved } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isTensor(value: Saved | undefined): value is Tensor {
  if (value === undefined || !isDictionary(value)) return false;
  const { dtype, shape, data } = value as { readonly [key: string]: Saved | undefined };
  return typeof dtype === "string" && isDType(dtype) && Array.isArray(shape) && ArrayBuffer.isView(data);
}

function mismatch(message: string): FederationError {
  return new FederationError("model/mismatch", message);
}
