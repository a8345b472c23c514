// A state dictionary as one safetensors file: tensors as tensors, and the tree that holds them as JSON in the metadata.
import type { SavedState, Tensor } from "@perennial-fl/core";
import { FederationError, checkedSchema, messageOf } from "@perennial-fl/core";
import { readSafetensors, writeSafetensorsInTurns } from "./safetensors.js";
import type { SealedFile } from "./safetensors.js";
import type { Json } from "./state-values.js";
import { decodeValue, encodeValue } from "./state-values.js";

/** Counts up when older programs could misread the file. */
export const stateSchema = 1;

export interface StateFile {
  readonly state: SavedState;
  /** Counts the saves under this name, from 1. */
  readonly generation: number;
  /** The digest of the generation before, or an empty text. */
  readonly previousDigest: string;
  readonly digest: string;
}

/** The file in pieces, and its digest. The state must not change until they are written. Rejects with `checkpoint/unsupported-value` for a value that would not come back equal. */
export async function encodeState(state: SavedState, generation: number, previousDigest: string): Promise<SealedFile> {
  const tensors = new Map<string, Tensor>();
  const tree = encodeValue(state, {
    put(elements, path) {
      const name = freeName(path.replace(/^state\.?/, ""), tensors);
      tensors.set(name, elements);
      return name;
    },
  });
  return writeSafetensorsInTurns(tensors, {
    "perennial.kind": "state",
    "perennial.schema": String(stateSchema),
    "perennial.generation": String(generation),
    "perennial.previous": previousDigest,
    "perennial.state": JSON.stringify(tree),
  });
}

/**
 * Reads a file back. Throws `checkpoint/corrupt` if so much as one bit is wrong and `checkpoint/newer-version` if a
 * later program wrote it; `what` names the file in the message.
 */
export function decodeState(bytes: Uint8Array, what: string): StateFile {
  const { metadata, tensors, digest } = readSafetensors(bytes, what);
  if (digest === undefined || metadata["perennial.kind"] !== "state") {
    throw new FederationError("checkpoint/corrupt", `${what} is not a state file of Perennial`);
  }
  checkSchema(metadata["perennial.schema"], stateSchema, what);
  try {
    const tree = JSON.parse(metadata["perennial.state"] ?? "") as Json;
    const state = decodeValue(tree, {
      take(name) {
        const found = tensors.get(name);
        if (found === undefined) throw new Error(`there is no tensor ${JSON.stringify(name)}`);
        // A copy, so that each array owns its buffer and can be handed to another thread.
        return found.bytes.slice();
      },
    });
    return {
      state: state as SavedState,
      generation: Number(metadata["perennial.generation"]),
      previousDigest: metadata["perennial.previous"] ?? "",
      digest,
    };
  } catch (error) {
    throw new FederationError("checkpoint/corrupt", `${what} is damaged: ${messageOf(error)}`, { cause: error });
  }
}

/** As `checkedSchema`, where metadata has it: as a text in decimal digits. */
export function checkSchema(text: string | undefined, known: number, what: string): void {
  checkedSchema(text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : text, known, what);
}

/** A tensor's name is its path, in printable ASCII, and not yet taken. */
function freeName(path: string, taken: ReadonlyMap<string, unknown>): string {
  const plain = path.replace(/[^\x20-\x7e]/g, "_") || "value";
  let name = plain;
  for (let count = 2; taken.has(name) || name === "__metadata__"; count++) name = `${plain}~${count}`;
  return name;
}
