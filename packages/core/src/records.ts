// Named tensors that travel beside a model, over a wire that only knows one list of tensors.
import { FederationError } from "./errors.js";
import type { Config, Scalar } from "./messages.js";
import type { StoredResult } from "./results.js";
import type { Parameters } from "./tensor.js";

/** Tensors by the name of the record they belong to, such as SCAFFOLD's `scaffold.control`. */
export type Records = { readonly [name: string]: Parameters };

/**
 * The entry of a configuration or of metrics that says which records follow the model's tensors, in order:
 * `scaffold.control=4 other=2`. A record is found by its name, never by where its tensors happen to lie.
 */
export const recordsEntry = "perennial.records";

/** The names under which SCAFFOLD's side values travel. */
export const scaffoldNames = {
  /** Record of a fit instruction: c, with the tensors of the model. */
  control: "scaffold.control",
  /** Record of a fit answer: c_i⁺ − c_i, with the tensors of the model. */
  delta: "scaffold.delta",
  /**
   * Entry of a fit instruction's configuration: the round of this client's last update that counted, 0 for none. A
   * client's variate moves only with that, so an answer that came too late, or never, leaves c_i as it was.
   */
  counted: "scaffold.counted",
} as const;

/** The model's tensors with those of the records behind them, and the entry that names these. */
export function packRecords(model: Parameters, records: Records): { tensors: Parameters; entry: Config } {
  const named = Object.entries(records);
  const odd = named.find(([name]) => !/^[\w.-]{1,100}$/.test(name));
  if (odd)
    throw new FederationError(
      "argument/invalid",
      `a record's name has letters and digits, not ${JSON.stringify(odd[0])}`,
    );
  return {
    tensors: [...model, ...named.flatMap(([, tensors]) => tensors)],
    entry: { [recordsEntry]: named.map(([name, tensors]) => `${name}=${tensors.length}`).join(" ") },
  };
}

/** Where a record's tensors lie in the list. */
export interface RecordSpan {
  readonly name: string;
  readonly start: number;
  readonly count: number;
}

/**
 * Reads the entry of a list of `total` tensors: `model` is how many of them are the model's. Without an entry all are.
 * Throws `wire/malformed`, quoting an entry that does not fit.
 */
export function recordSpans(entry: Scalar | undefined, total: number): { model: number; spans: RecordSpan[] } {
  if (entry === undefined || entry === "") return { model: total, spans: [] };
  const wrong = (why: string) => new FederationError("wire/malformed", `${recordsEntry} ${quoted(entry)} ${why}`);
  if (typeof entry !== "string") throw wrong("is no text");
  const counts = entry.split(" ").map((part) => {
    const match = /^([\w.-]{1,100})=(\d{1,6})$/.exec(part);
    if (match === null) throw wrong("is not of the form name=count");
    return [match[1] as string, Number(match[2])] as const;
  });
  if (new Set(counts.map(([name]) => name)).size < counts.length) throw wrong("names a record twice");
  const model = total - counts.reduce((sum, [, count]) => sum + count, 0);
  if (model < 0) throw wrong(`counts more than the ${total} tensors that came`);
  let start = model;
  const spans = counts.map(([name, count]) => {
    const span = { name, start, count };
    start += count;
    return span;
  });
  return { model, spans };
}

/** Takes a received list apart. Throws `wire/malformed` as {@link recordSpans}. */
export function unpackRecords(tensors: Parameters, scalars: Config): { model: Parameters; records: Records } {
  const { model, spans } = recordSpans(scalars[recordsEntry], tensors.length);
  const records = spans.map(({ name, start, count }) => [name, tensors.slice(start, start + count)] as const);
  return { model: tensors.slice(0, model), records: Object.fromEntries(records) };
}

/** Some tensors of a stored result, as a result of their own. */
export function sliceResult(result: StoredResult, start: number, count: number): StoredResult {
  return { tensors: result.tensors.slice(start, start + count), read: (index) => result.read(start + index) };
}

function quoted(entry: Scalar): string {
  return typeof entry === "string" ? JSON.stringify(entry.slice(0, 100)) : typeof entry;
}
