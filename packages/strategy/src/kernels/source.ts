// The kernels' source: what each does to rows of memory, four elements a turn.
//
// A row is float32 elements, a sum as many float64; their number is a multiple of 4 and not 0, and `end` is the address
// behind the first of a kernel's arguments. Each kernel does to one element exactly what its reference in TypeScript
// does, in the same order, so that the bits agree.
import { assemble, f64, f64x2, get, i32, i32x4, repeatWhile, set, v128 } from "./assembler.js";
import type { Code, ValueType, WasmFunction } from "./assembler.js";

/** Adding one of these to a float64 and subtracting it again rounds to a multiple of 2^-20, and of 2^-60. */
export const grids = { coarse: 1.5 * 2 ** 32, fine: 1.5 * 2 ** -8 } as const;

type Variables = Readonly<Record<string, ValueType>>;

/** A function whose parameters and locals have names. */
function define<P extends Variables, L extends Variables>(
  name: string,
  parameters: P,
  locals: L,
  body: (variable: Readonly<Record<keyof P | keyof L, number>>) => readonly Code[],
  result?: ValueType,
): WasmFunction {
  const names = [...Object.keys(parameters), ...Object.keys(locals)];
  const variable = Object.fromEntries(names.map((each, index) => [each, index])) as Record<keyof P | keyof L, number>;
  return {
    name,
    parameters: Object.values(parameters),
    locals: Object.values(locals),
    body: body(variable).flat(),
    ...(result && { result }),
  };
}

const moveOn = (pointer: number, bytes: number): Code => set(pointer, i32.add(get(pointer), i32.constant(bytes)));

/** Elements 0 and 1 of four float32, and elements 2 and 3. */
const halves = (four: Code): readonly [Code, Code] => [f64x2.promoteLow(four), f64x2.promoteLow(v128.highHalf(four))];

/** sum += weight · row. */
const addWeighted = define(
  "addWeighted",
  { sum: "i32", end: "i32", row: "i32", weight: "f64" },
  { x: "v128" },
  ({ sum, end, row, weight, x }) => {
    const [low, high] = halves(get(x)).map((half) => f64x2.multiply(half, f64x2.splat(get(weight)))) as [Code, Code];
    return [
      repeatWhile(
        i32.lessUnsigned(get(sum), get(end)),
        set(x, v128.load(get(row))),
        v128.store(get(sum), f64x2.add(v128.load(get(sum)), low)),
        v128.store(get(sum), f64x2.add(v128.load(get(sum), 16), high), 16),
        moveOn(row, 16),
        moveOn(sum, 32),
      ),
    ];
  },
);

/** The same for four rows, one after another, with the sum in registers meanwhile. */
const addWeightedRows = define(
  "addWeightedRows",
  {
    ...{ sum: "i32", end: "i32", row0: "i32", row1: "i32", row2: "i32", row3: "i32" },
    ...{ weight0: "f64", weight1: "f64", weight2: "f64", weight3: "f64" },
  },
  { x: "v128", low: "v128", high: "v128" },
  ({ sum, end, x, low, high, ...of }) => {
    const rows = [
      [of.row0, of.weight0],
      [of.row1, of.weight1],
      [of.row2, of.weight2],
      [of.row3, of.weight3],
    ] as const;
    const [lower, upper] = halves(get(x));
    return [
      repeatWhile(
        i32.lessUnsigned(get(sum), get(end)),
        set(low, v128.load(get(sum))),
        set(high, v128.load(get(sum), 16)),
        ...rows.flatMap(([row, weight]) => [
          set(x, v128.load(get(row))),
          set(low, f64x2.add(get(low), f64x2.multiply(lower, f64x2.splat(get(weight))))),
          set(high, f64x2.add(get(high), f64x2.multiply(upper, f64x2.splat(get(weight))))),
          moveOn(row, 16),
        ]),
        v128.store(get(sum), get(low)),
        v128.store(get(sum), get(high), 16),
        moveOn(sum, 32),
      ),
    ];
  },
);

/**
 * The exact sum's step. p = weight · element; sum += p on the coarse grid, rest += what that leaves of p, on the fine
 * one: both additions are exact. Gives the largest |p|, which must be below 2^31 for that.
 */
const addExactly = define(
  "addExactly",
  { sum: "i32", end: "i32", rest: "i32", row: "i32", weight: "f64" },
  { x: "v128", p: "v128", q: "v128", largest: "v128" },
  ({ sum, end, rest, row, weight, x, p, q, largest }) => {
    const onGrid = (value: Code, grid: number): Code => {
      const magic = f64x2.splat(f64.constant(grid));
      return f64x2.subtract(f64x2.add(value, magic), magic);
    };
    const step = (half: Code, offset: number): Code[] => [
      set(p, f64x2.multiply(half, f64x2.splat(get(weight)))),
      set(largest, f64x2.max(get(largest), f64x2.abs(get(p)))),
      set(q, onGrid(get(p), grids.coarse)),
      v128.store(get(sum), f64x2.add(v128.load(get(sum), offset), get(q)), offset),
      v128.store(
        get(rest),
        f64x2.add(v128.load(get(rest), offset), onGrid(f64x2.subtract(get(p), get(q)), grids.fine)),
        offset,
      ),
    ];
    const [low, high] = halves(get(x));
    return [
      repeatWhile(
        i32.lessUnsigned(get(sum), get(end)),
        set(x, v128.load(get(row))),
        ...step(low, 0),
        ...step(high, 16),
        moveOn(row, 16),
        moveOn(sum, 32),
        moveOn(rest, 32),
      ),
      f64.max(f64x2.lane(get(largest), 0), f64x2.lane(get(largest), 1)),
    ];
  },
  "f64",
);

/** sum += rest. */
const addSums = define("addSums", { sum: "i32", end: "i32", rest: "i32" }, {}, ({ sum, end, rest }) => [
  repeatWhile(
    i32.lessUnsigned(get(sum), get(end)),
    v128.store(get(sum), f64x2.add(v128.load(get(sum)), v128.load(get(rest)))),
    moveOn(sum, 16),
    moveOn(rest, 16),
  ),
]);

/** row = sum / divisor, each rounded to float32. */
const divide = define(
  "divide",
  { row: "i32", end: "i32", sum: "i32", divisor: "f64" },
  {},
  ({ row, end, sum, divisor }) => {
    const quotients = (offset: number): Code =>
      f64x2.demote(f64x2.divide(v128.load(get(sum), offset), f64x2.splat(get(divisor))));
    return [
      repeatWhile(
        i32.lessUnsigned(get(row), get(end)),
        v128.store(get(row), v128.joinHalves(quotients(0), quotients(16))),
        moveOn(row, 16),
        moveOn(sum, 32),
      ),
    ];
  },
);

/** Turns the bits of floats into integers that sort as the floats do, -0 before 0, and back: it is its own inverse. */
const flip = define("flip", { row: "i32", end: "i32" }, { x: "v128" }, ({ row, end, x }) => {
  const sign = i32x4.shiftRightSigned(get(x), i32.constant(31));
  const magnitude = i32x4.splat(i32.constant(0x7fffffff));
  return [
    repeatWhile(
      i32.lessUnsigned(get(row), get(end)),
      set(x, v128.load(get(row))),
      v128.store(get(row), v128.xor(get(x), v128.and(sign, magnitude))),
      moveOn(row, 16),
    ),
  ];
});

/** Of each pair of flipped elements puts the smaller into `low` and the greater into `high`. */
const exchange = define(
  "exchange",
  { low: "i32", end: "i32", high: "i32" },
  { a: "v128", b: "v128" },
  ({ low, end, high, a, b }) => [
    repeatWhile(
      i32.lessUnsigned(get(low), get(end)),
      set(a, v128.load(get(low))),
      set(b, v128.load(get(high))),
      v128.store(get(low), i32x4.minSigned(get(a), get(b))),
      v128.store(get(high), i32x4.maxSigned(get(a), get(b))),
      moveOn(low, 16),
      moveOn(high, 16),
    ),
  ],
);

/** Adds the squares of the rows' differences to four float64 sums, those of element i to sum number i mod 4. */
const addSquares = define(
  "addSquares",
  { row: "i32", end: "i32", other: "i32", sums: "i32" },
  { x: "v128", y: "v128", d: "v128", low: "v128", high: "v128" },
  ({ row, end, other, sums, x, y, d, low, high }) => {
    const [xLow, xHigh] = halves(get(x));
    const [yLow, yHigh] = halves(get(y));
    return [
      set(low, v128.load(get(sums))),
      set(high, v128.load(get(sums), 16)),
      repeatWhile(
        i32.lessUnsigned(get(row), get(end)),
        set(x, v128.load(get(row))),
        set(y, v128.load(get(other))),
        set(d, f64x2.subtract(xLow, yLow)),
        set(low, f64x2.add(get(low), f64x2.multiply(get(d), get(d)))),
        set(d, f64x2.subtract(xHigh, yHigh)),
        set(high, f64x2.add(get(high), f64x2.multiply(get(d), get(d)))),
        moveOn(row, 16),
        moveOn(other, 16),
      ),
      v128.store(get(sums), get(low)),
      v128.store(get(sums), get(high), 16),
    ];
  },
);

/** What the assembled module exports. Arguments are addresses in its memory, and numbers. */
export interface KernelExports {
  addWeighted(sum: number, end: number, row: number, weight: number): void;
  addWeightedRows(sum: number, end: number, ...rowsThenWeights: readonly number[]): void;
  addExactly(sum: number, end: number, rest: number, row: number, weight: number): number;
  addSums(sum: number, end: number, rest: number): void;
  divide(row: number, end: number, sum: number, divisor: number): void;
  flip(row: number, end: number): void;
  exchange(low: number, end: number, high: number): void;
  addSquares(row: number, end: number, other: number, sums: number): void;
}

/** The module, made anew by every call: a fresh machine needs no other tool, and there is nothing that could be stale. */
export function assembleKernels(): Uint8Array<ArrayBuffer> {
  return assemble([addWeighted, addWeightedRows, addExactly, addSums, divide, flip, exchange, addSquares]);
}
