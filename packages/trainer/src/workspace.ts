// Memory that a worker keeps for what is updated in place, and the kernels that update it there.
import { assert } from "@perennial-fl/core";
import type { Updates } from "@perennial-fl/module";

/** The little of WebAssembly's interface that is used here: TypeScript declares it for browsers only. */
interface WebAssemblyApi {
  Memory: new (limits: { initial: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: { readonly [name: string]: Kernel } };
}

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

type Kernel = (...values: readonly number[]) => void;

const api = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

const pageBytes = 65536;
/** Arrays begin at the lines of the processor's cache; kernels need multiples of 16. */
const alignment = 64;
/** A WebAssembly memory can be addressed so far. */
export const workspaceBytesMax = 65535 * pageBytes;

export type Places = ReadonlyMap<string, Float32Array>;

export interface Workspace {
  /** Room for arrays of these lengths, by name. Arrays that were placed before are void then. */
  place(lengths: ReadonlyMap<string, number>): Places;
  /** Does what is to be done after a run to arrays that were placed. */
  update(updates: Updates, places: Places, scalar: (name: string) => number): void;
}

export function openWorkspace(): Workspace {
  const memory = new api.Memory({ initial: 0 });
  const instances = new WeakMap<Updates, { readonly [name: string]: Kernel }>();

  function kernelsOf(updates: Updates): { readonly [name: string]: Kernel } {
    const known = instances.get(updates);
    if (known !== undefined) return known;
    const { exports } = new api.Instance(new api.Module(updates.kernels), { memory: { memory } });
    instances.set(updates, exports);
    return exports;
  }

  return {
    place(lengths) {
      const missing = Math.ceil((workspaceBytes(lengths.values()) - memory.buffer.byteLength) / pageBytes);
      if (missing > 0) memory.grow(missing);
      let at = 0;
      return new Map(
        Array.from(lengths, ([name, length]) => {
          const view = new Float32Array(memory.buffer, at, length);
          at += paddedBytes(length);
          return [name, view];
        }),
      );
    },
    update(updates, places, scalar) {
      const kernels = kernelsOf(updates);
      for (const { kernel, arrays, scalars } of updates.calls) {
        const views = arrays.map((name) => places.get(name));
        const addresses = views.map((view) => view?.byteOffset ?? NaN);
        assert(!addresses.some(Number.isNaN), "all that an update works on was placed");
        kernels[kernel]?.(...addresses, ...scalars.map(scalar), paddedBytes(views[0]?.length ?? 0));
      }
    },
  };
}

/** What {@link Workspace.place} needs for arrays of these lengths. */
export function workspaceBytes(lengths: Iterable<number>): number {
  let sum = 0;
  for (const length of lengths) sum += paddedBytes(length);
  return sum;
}

function paddedBytes(length: number): number {
  return Math.ceil((length * Float32Array.BYTES_PER_ELEMENT) / alignment) * alignment;
}
