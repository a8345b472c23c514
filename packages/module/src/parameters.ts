// Which initializers of an ONNX file are parameters and which are constants: the file itself does not say.
import { FederationError } from "@perennial-fl/core";
import type { Tensor } from "@perennial-fl/core";
import type { ModelProto } from "./proto/messages.js";

/** The key of a file's metadata that lists, with commas between them, scalars that are parameters. */
export const scalarsKey = "perennial.scalars";

/** Under this key PyTorch's newer exporter says of a value what it was in the program. */
const kindKey = "pkg.torch.export.graph_signature.InputSpec.kind";

/**
 * The names of the parameters among the initializers, in their order. Of the float32 and float64 tensors, those with an
 * axis or more are parameters. One without any (an epsilon, a scale, an exponent) is a constant unless it has a
 * `state_dict`'s dotted name, the exporter called it a parameter, or the file's metadata lists it under {@link scalarsKey}.
 * Throws `model/unsupported` for weights that are quantised or in half precision.
 */
export function parameterNamesOf(model: ModelProto, initializers: ReadonlyMap<string, Tensor>): string[] {
  const listed = model.metadataProps?.find(({ key }) => key === scalarsKey)?.value ?? "";
  const named = new Set(listed.split(",").map((name) => name.trim()));
  for (const { name = "", metadataProps = [] } of model.graph?.valueInfo ?? []) {
    if (metadataProps.some(({ key, value }) => key === kindKey && value === "PARAMETER")) named.add(name);
  }
  return [...initializers].flatMap(([name, held]) => {
    requireWide(name, held);
    const isFloat = held.dtype === "float32" || held.dtype === "float64";
    const isTrained = held.shape.length > 0 || named.has(name) || isDotted(name);
    return isFloat && isTrained ? [name] : [];
  });
}

/** `head.scale` and `0.weight`, and not what exporters call a constant: `onnx::Mul_3`, `/head/Constant_output_0`. */
function isDotted(name: string): boolean {
  return /^\w+(\.\w+)+$/.test(name);
}

function requireWide(name: string, { dtype, shape }: Tensor): void {
  if (dtype !== "float16" && !((dtype === "int8" || dtype === "uint8") && shape.length > 0)) return;
  throw new FederationError(
    "model/unsupported",
    `reading a module: its weights "${name}" are ${dtype}; export the model with float32 weights`,
  );
}
