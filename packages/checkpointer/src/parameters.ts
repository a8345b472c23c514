// What identifies a list of parameters.
import { createHash } from "node:crypto";
import type { Parameters } from "@perennial-fl/core";
import { bytesOf } from "@perennial-fl/core";
import { absorb, absorbInTurns } from "./absorb.js";

/** The SHA-256, in hexadecimal, over the tensors' little-endian bytes in order. Shapes and names are not part of it. */
export function parametersSha256(parameters: Parameters): string {
  const hash = createHash("sha256");
  for (const tensor of parameters) absorb(hash, bytesOf(tensor));
  return hash.digest("hex");
}

/** The same, in turns of the event loop. The tensors must not change meanwhile. */
export async function parametersSha256InTurns(parameters: Parameters): Promise<string> {
  return (await absorbInTurns(createHash("sha256"), parameters.map(bytesOf))).digest("hex");
}
