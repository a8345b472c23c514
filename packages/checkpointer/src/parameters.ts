// What identifies a list of parameters.
import { createHash } from "node:crypto";
import type { Parameters } from "@perennial-fl/core";
import { bytesOf } from "@perennial-fl/core";
import { absorb } from "./absorb.js";

/** The SHA-256, in hexadecimal, over the tensors' little-endian bytes in order. Shapes and names are not part of it. */
export function parametersSha256(parameters: Parameters): string {
  const hash = createHash("sha256");
  for (const tensor of parameters) absorb(hash, bytesOf(tensor));
  return hash.digest("hex");
}
