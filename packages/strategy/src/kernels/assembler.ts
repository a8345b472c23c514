// An assembler for WebAssembly as small as our kernels need it: typed functions over one imported memory.
// Format and opcodes: WebAssembly Core Specification 2.0, chapter 5.

/** Bytes of instructions. Combinators take what they need from the stack in the order of their arguments. */
export type Code = readonly number[];

export type ValueType = keyof typeof valueTypes;

const valueTypes = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const;

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
  /** Local variables beyond the parameters, which are number 0 and up. */
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

const simd = (opcode: number, ...immediates: number[]): number[] => [0xfd, ...unsigned(opcode), ...immediates];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(value)],
  add: (a: Code, b: Code): Code => [...a, ...b, 0x6a],
  lessUnsigned: (a: Code, b: Code): Code => [...a, ...b, 0x49],
} as const;

export const f64 = {
  constant: (value: number): Code => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)],
  add: (a: Code, b: Code): Code => [...a, ...b, 0xa0],
  max: (a: Code, b: Code): Code => [...a, ...b, 0xa5],
} as const;

/** Memory is addressed by `address` + `offset` bytes, and need not be aligned. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [...address, ...simd(0x00, 0, ...unsigned(offset))],
  store: (address: Code, value: Code, offset = 0): Code => [
    ...address,
    ...value,
    ...simd(0x0b, 0, ...unsigned(offset)),
  ],
  and: (a: Code, b: Code): Code => [...a, ...b, ...simd(0x4e)],
  xor: (a: Code, b: Code): Code => [...a, ...b, ...simd(0x51)],
  /** Lanes 2 and 3 of four, brought to the places of 0 and 1. */
  highHalf: (a: Code): Code => [...a, ...a, ...simd(0x0d, ...range(8, 16), ...range(8, 16))],
  /** The first two lanes of two vectors of four, in one. */
  joinHalves: (a: Code, b: Code): Code => [...a, ...b, ...simd(0x0d, ...range(0, 8), ...range(16, 24))],
} as const;

export const i32x4 = {
  splat: (value: Code): Code => [...value, ...simd(0x11)],
  shiftRightSigned: (a: Code, bits: Code): Code => [...a, ...bits, ...simd(0xac)],
  minSigned: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xb6)],
  maxSigned: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xb8)],
} as const;

export const f64x2 = {
  splat: (value: Code): Code => [...value, ...simd(0x14)],
  lane: (a: Code, index: 0 | 1): Code => [...a, ...simd(0x21, index)],
  abs: (a: Code): Code => [...a, ...simd(0xec)],
  add: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf0)],
  subtract: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf1)],
  multiply: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf2)],
  divide: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf3)],
  max: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xf5)],
  /** The first two float32 lanes as float64: exact. */
  promoteLow: (a: Code): Code => [...a, ...simd(0x5f)],
  /** Both lanes rounded to float32, and two zeros. */
  demote: (a: Code): Code => [...a, ...simd(0x5e)],
} as const;

/** Repeats the body while the condition holds at its end; so at least once. */
export const repeatWhile = (condition: Code, ...body: readonly Code[]): Code => [
  0x03,
  0x40,
  ...body.flat(),
  ...condition,
  0x0d,
  0,
  0x0b,
];

/** The module's bytes. Every function is exported under its name; the memory is imported as `env.memory`. */
export function assemble(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...vector(parameters.map((type) => [valueTypes[type]])),
    ...vector(result === undefined ? [] : [[valueTypes[result]]]),
  ]);
  const exports = functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...vector(locals.map((type) => [1, valueTypes[type]])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...text("env"), ...text("memory"), 0x02, 0x00, 1]])),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(7, vector(exports)),
    ...section(10, vector(bodies)),
  ]);
}

function section(id: number, contents: Code): Code {
  return [id, ...unsigned(contents.length), ...contents];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): Code {
  return [...unsigned(name.length), ...new TextEncoder().encode(name)];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest < -64 || rest > 63; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest & 0x7f);
  return bytes;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
