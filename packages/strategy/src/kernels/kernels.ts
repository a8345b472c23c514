// The kernels at work: one instance of the module a thread, and the rows in its memory.
import { assembleKernels } from "./source.js";
import type { KernelExports } from "./source.js";

/** The part of WebAssembly's interface that is used; TypeScript has it among the browsers' types only. */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => WasmMemory;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const pageBytes = 2 ** 16;

/** Some bytes of the kernels' memory. */
export interface Row {
  readonly address: number;
  readonly byteLength: number;
}

/** Memory divided into rows, which hold until the next division. */
export interface Kernels extends KernelExports {
  /** Rows of so many bytes each, with what was there before; the memory grows as needed and never shrinks. */
  divideMemory(byteLengths: readonly number[]): readonly Row[];
  /** A row's bytes. Views are void once memory is divided again. */
  bytes(row: Row): Uint8Array<ArrayBuffer>;
  float32(row: Row): Float32Array<ArrayBuffer>;
  float64(row: Row): Float64Array<ArrayBuffer>;
}

let instance: Kernels | undefined;

/** The thread's kernels, assembled at the first call. */
export function kernels(): Kernels {
  return (instance ??= instantiate());
}

function instantiate(): Kernels {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(assembleKernels());
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return {
    ...(exports as KernelExports),
    divideMemory(byteLengths) {
      let end = 0;
      const rows = byteLengths.map((byteLength) => {
        const address = end;
        // Rows begin at cache lines.
        end += Math.ceil(byteLength / 64) * 64;
        return { address, byteLength };
      });
      const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
      if (missing > 0) memory.grow(missing);
      return rows;
    },
    bytes: ({ address, byteLength }) => new Uint8Array(memory.buffer, address, byteLength),
    float32: ({ address, byteLength }) => new Float32Array(memory.buffer, address, byteLength / 4),
    float64: ({ address, byteLength }) => new Float64Array(memory.buffer, address, byteLength / 8),
  };
}
