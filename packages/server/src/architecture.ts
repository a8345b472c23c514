// What a module computes, apart from the values of its parameters.
import { createHash } from "node:crypto";
import { zeros } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";

/**
 * The SHA-256 of the module's graph with all parameters zero and without metadata, in hexadecimal: two modules of equal
 * shapes but other operators, attributes or names differ.
 */
export function architectureSha256(module: OnnxModule): string {
  const blank = module.parameters.map(({ dtype, shape }) => zeros(dtype, shape));
  return createHash("sha256").update(OnnxModule.fromGraph(module.graph).withParameters(blank).toBytes()).digest("hex");
}
