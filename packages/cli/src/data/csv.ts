// A table of numbers as text (RFC 4180): a row of column names, then an example a row, one column of which is the label.
import { FederationError, float32, tensor } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";

export interface TableOptions {
  /** The column that is to be said of the others; the last one unless named. */
  readonly label?: string;
  /** Columns that are left out. */
  readonly ignore?: readonly string[];
  /** The names of classes in the label column, in the order of their numbers; without them it holds numbers. */
  readonly classes?: readonly string[];
  /** Whether labels are the numbers of classes (int64), or values (float32). */
  readonly labelsAreClasses: boolean;
  /** How many classes the module tells apart. */
  readonly classCount?: number | undefined;
}

/** Feature columns as float32 `[rows, columns]`, in the order of the file, and the label column as `[rows]`. */
export interface Table {
  readonly columns: readonly string[];
  readonly inputs: Tensor;
  readonly targets: Tensor;
}

/** Reads a table; `what` names it in messages. Throws `data/invalid` with the line, the column and the value at fault. */
export function readTable(text: string, options: TableOptions, what: string): Table {
  const invalid = (why: string): FederationError => new FederationError("data/invalid", `reading ${what}: ${why}`);
  const [head, ...rows] = records(text, invalid);
  if (head === undefined) throw invalid("it is empty");
  const names = head.cells.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(`two of its columns are named "${twice}"`);
  if (rows.length === 0) throw invalid(`it has a row of names [${names.join(", ")}] and no examples`);
  const place = (name: string, option: string): number => {
    const at = names.indexOf(name);
    if (at < 0) throw invalid(`it has no column "${name}" as ${option} says, only [${names.join(", ")}]`);
    return at;
  };
  const label = options.label === undefined ? names.length - 1 : place(options.label, "--label");
  const left = new Set([label, ...(options.ignore ?? []).map((name) => place(name, "--ignore"))]);
  const features = names.flatMap((_, at) => (left.has(at) ? [] : [at]));
  if (features.length === 0) throw invalid(`no column of [${names.join(", ")}] is left beside the label`);

  const inputs = new Float32Array(rows.length * features.length);
  const labels: number[] = [];
  rows.forEach(({ cells, line }, row) => {
    if (cells.length !== names.length) {
      throw invalid(`line ${line} has ${cells.length} cells where there are ${names.length} columns`);
    }
    const numberIn = (at: number): number => {
      const cell = (cells[at] as string).trim();
      const value = isNumber.test(cell) ? Math.fround(Number(cell)) : NaN;
      if (Number.isFinite(value)) return value;
      throw invalid(`line ${line}, column "${names[at] ?? ""}" holds ${JSON.stringify(cell)}, which is not a number`);
    };
    features.forEach((at, i) => {
      inputs[row * features.length + i] = numberIn(at);
    });
    labels.push(labelOf(cells[label] as string, options, () => numberIn(label), invalid, line, names[label] ?? ""));
  });
  return {
    columns: features.map((at) => names[at] as string),
    inputs: float32([rows.length, features.length], inputs),
    targets: options.labelsAreClasses
      ? tensor("int64", [rows.length], BigInt64Array.from(labels, BigInt))
      : float32([rows.length], labels),
  };
}

/** The texts of one column, in the order of the rows. Throws `data/invalid` if there is no such column. */
export function readColumn(text: string, column: string, option: string, what: string): readonly string[] {
  const invalid = (why: string): FederationError => new FederationError("data/invalid", `reading ${what}: ${why}`);
  const [head, ...rows] = records(text, invalid);
  const names = (head?.cells ?? []).map((name) => name.trim());
  const at = names.indexOf(column);
  if (at < 0) throw invalid(`it has no column "${column}" as ${option} says, only [${names.join(", ")}]`);
  return rows.map(({ cells }) => (cells[at] ?? "").trim());
}

const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

type Invalid = (why: string) => FederationError;

function labelOf(
  cell: string,
  { classes, classCount = Infinity, labelsAreClasses }: TableOptions,
  numberIn: () => number,
  invalid: Invalid,
  line: number,
  column: string,
): number {
  const held = cell.trim();
  const refuse = (wanted: string): FederationError =>
    invalid(`line ${line}, column "${column}" holds ${JSON.stringify(held)}, which is not ${wanted}`);
  if (classes !== undefined) {
    const at = classes.indexOf(held);
    if (at < 0) throw refuse(`one of --classes [${classes.join(", ")}]`);
    return at;
  }
  if (!labelsAreClasses) return numberIn();
  const value = /^[+-]?\d+(\.0*)?$/.test(held) ? Number(held) : NaN;
  if (value >= 0 && value < classCount) return value;
  if (!Number.isNaN(value)) throw refuse(`a class: labels run from 0 to ${classCount - 1}`);
  throw refuse("the whole number of a class (name classes with --classes)");
}

interface Row {
  readonly cells: readonly string[];
  /** Where it begins, counted from 1. */
  readonly line: number;
}

/** The rows that hold anything. A cell in quotation marks may hold commas, line ends and doubled quotation marks. */
function records(text: string, invalid: Invalid): Row[] {
  const rows: Row[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/gy;
  // Excel puts a byte order mark in front.
  cell.lastIndex = text.startsWith("\ufeff") ? 1 : 0;
  let [line, begun, cells]: [number, number, string[]] = [1, 1, []];
  while (cell.lastIndex < text.length || cells.length > 0) {
    const found = cell.exec(text);
    if (found === null) throw invalid(`line ${line} has a quotation mark that does not belong there or has no end`);
    const [whole, quoted, plain = "", end = ""] = found;
    cells.push(quoted?.replaceAll('""', '"') ?? plain);
    line += whole.match(/\r\n|\n|\r/g)?.length ?? 0;
    if (end === ",") continue;
    if (cells.some((each) => each.trim() !== "")) rows.push({ cells, line: begun });
    [begun, cells] = [line, []];
  }
  return rows;
}
