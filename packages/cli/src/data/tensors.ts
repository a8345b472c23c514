// Examples as tensors: `inputs` and `targets` in one safetensors file, or as two .npy files of a directory.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensors } from "@perennial-fl/checkpointer";
import { FederationError, messageOf, tensorFromBytes } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import { decodeNpy } from "@perennial-fl/transport";
import { reason } from "../given-file.js";

export interface Pair {
  readonly inputs: Tensor;
  readonly targets: Tensor;
}

const names = ["inputs", "targets"] as const;

/** Throws `data/invalid`, naming the file and the tensor that it lacks. */
export function readSafetensorsPair(bytes: Uint8Array, what: string): Pair {
  const { tensors } = explained(what, () => readSafetensors(bytes, what));
  const find = (name: string): Tensor => {
    const found = tensors.get(name);
    if (found !== undefined) return tensorFromBytes(found.dtype, found.shape, found.bytes.slice());
    const held = [...tensors.keys()].slice(0, 8).join(", ");
    throw new FederationError("data/invalid", `reading ${what}: it has no tensor "${name}", only [${held}]`);
  };
  return { inputs: find("inputs"), targets: find("targets") };
}

/** Throws `data/invalid`, naming the file. */
export async function readNpyPair(directory: string, what: string): Promise<Pair> {
  const [inputs, targets] = await Promise.all(
    names.map(async (name) => {
      const path = join(directory, `${name}.npy`);
      const bytes = await readFile(path).catch((error: unknown) => {
        const wanted = "a directory of data holds inputs.npy and targets.npy";
        throw new FederationError("data/invalid", `reading ${what}: ${wanted}, and of ${path} ${reason(error)}`);
      });
      return explained(what, () => decodeNpy(bytes, path));
    }),
  );
  return { inputs: inputs as Tensor, targets: targets as Tensor };
}

/** A damaged file of data is bad data, whatever its format calls it. */
function explained<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new FederationError("data/invalid", `reading ${what}: ${messageOf(cause)}`, { cause });
  }
}
