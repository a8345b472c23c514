// Small WebAssembly modules: functions that go over arrays once, four float32 at a time, with a few operations on each element.

/** An operand by kind and number: the array's element, the scalar, the constant itself, or the result of an earlier instruction. */
export type Operand = readonly ["array" | "scalar" | "constant" | "result", number];

export type Operation = keyof typeof operations;

export interface Instruction {
  readonly operation: Operation;
  readonly operands: readonly Operand[];
}

/** What is done to the elements at one place of all arrays: everything is read before anything is written. */
export interface Program {
  readonly arrays: number;
  readonly scalars: number;
  readonly instructions: readonly Instruction[];
  /** Into which array which operand goes. */
  readonly stores: readonly (readonly [array: number, Operand])[];
}

/** Of the instruction set's 128-bit part, after its prefix. `select` takes a, b and what is not 0 where a is meant. */
const operations = {
  abs: 0xe0,
  neg: 0xe1,
  sqrt: 0xe3,
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
  min: 0xe8,
  max: 0xe9,
  select: 0x52,
} as const;

const types = { i32: 0x7f, f32: 0x7d, v128: 0x7b, function: 0x60, nothing: 0x40 } as const;
const [localGet, localSet, localTee] = [0x20, 0x21, 0x22];
const [i32Const, f32Const, i32Add, i32Sub, i32LessUnsigned, f32NotEqual] = [0x41, 0x43, 0x6a, 0x6b, 0x49, 0x5c];
const [loop, branchIf, end] = [0x03, 0x0d, 0x0b];
/** Bytes of one step: four float32. */
const stride = 16;

/**
 * A module with one function for each program, exported under its number. It imports `memory.memory`. A function takes the
 * byte addresses of its arrays, its scalars, and the number of bytes to go over, a positive multiple of 16.
 * WebAssembly Core Specification 2.0, section 5 (binary format).
 */
export function kernels(programs: readonly Program[]): Uint8Array<ArrayBuffer> {
  const signatures = programs.map(({ arrays, scalars }) => [
    types.function,
    ...vector([...repeated(arrays, types.i32), ...repeated(scalars, types.f32), types.i32].map((type) => [type])),
    ...vector([]),
  ]);
  const imported = [...text("memory"), ...text("memory"), 0x02, 0x00, ...unsigned(0)];
  const exported = programs.map((_, i) => [...text(String(i)), 0x00, ...unsigned(i)]);
  const bodies = programs.map((program) => sized(bodyOf(program)));
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(signatures)),
    ...section(2, vector([imported])),
    ...section(3, vector(programs.map((_, i) => unsigned(i)))),
    ...section(7, vector(exported)),
    ...section(10, vector(bodies)),
  ]);
}

function bodyOf({ arrays, scalars, instructions, stores }: Program): number[] {
  const bytes = arrays + scalars;
  const offset = bytes + 1;
  let next = offset + 1;
  const places = new Map<string, number>();
  const place = (operand: Operand): number => {
    const known = places.get(String(operand));
    if (known !== undefined) return known;
    places.set(String(operand), next);
    return next++;
  };
  const get = (operand: Operand): number[] => [localGet, ...unsigned(place(operand))];
  const address = (array: number): number[] => [
    ...[localGet, ...unsigned(array)],
    ...[localGet, ...unsigned(offset)],
    i32Add,
  ];

  const used = [...instructions.flatMap(({ operands }) => operands), ...stores.map(([, operand]) => operand)];
  const conditions = new Set(
    instructions.flatMap(({ operation, operands }) => (operation === "select" ? [String(operands[2])] : [])),
  );
  const before = unique(used.filter(([kind]) => kind === "scalar" || kind === "constant")).flatMap((operand) => {
    const [kind, value] = operand;
    const single = kind === "scalar" ? [localGet, ...unsigned(arrays + value)] : [f32Const, ...float32Bytes(value)];
    // A condition becomes all ones or all zeros.
    const mask = [i32Const, 0, ...single, f32Const, ...float32Bytes(0), f32NotEqual, i32Sub, ...simd(0x11)];
    const spread = conditions.has(String(operand)) ? mask : [...single, ...simd(0x13)];
    return [...spread, localSet, ...unsigned(place(operand))];
  });
  const loads = unique(used.filter(([kind]) => kind === "array")).flatMap((operand) => [
    ...address(operand[1]),
    ...[...simd(0x00), 2, 0],
    ...[localSet, ...unsigned(place(operand))],
  ]);
  const work = instructions.flatMap(({ operation, operands }, i) => [
    ...operands.flatMap(get),
    ...simd(operations[operation]),
    ...[localSet, ...unsigned(place(["result", i]))],
  ]);
  const saves = stores.flatMap(([array, operand]) => [...address(array), ...get(operand), ...simd(0x0b), 2, 0]);
  const again = [
    ...[localGet, ...unsigned(offset), i32Const, ...unsigned(stride), i32Add, localTee, ...unsigned(offset)],
    ...[localGet, ...unsigned(bytes), i32LessUnsigned, branchIf, ...unsigned(0)],
  ];
  const locals = vector([
    [...unsigned(1), types.i32],
    [...unsigned(next - offset - 1), types.v128],
  ]);
  return [...locals, ...before, loop, types.nothing, ...loads, ...work, ...saves, ...again, end, end];
}

function unique(operands: readonly Operand[]): Operand[] {
  return [...new Map(operands.map((operand) => [String(operand), operand])).values()];
}

function simd(code: number): number[] {
  return [0xfd, ...unsigned(code)];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return sized([...new TextEncoder().encode(value)]);
}

function repeated(count: number, value: number): number[] {
  return new Array<number>(count).fill(value);
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function float32Bytes(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}
