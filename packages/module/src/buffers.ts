// Buffers: tensors of a module that training moves but no gradient does, and the parameters that belong to them.
import type { OnnxModule } from "./module.js";

/**
 * The running means and variances of BatchNormalization. They are among the module's parameters, as they are in
 * PyTorch's state_dict; a train step gives their new values, and no optimizer touches them.
 */
export function bufferNames(module: OnnxModule): ReadonlySet<string> {
  return inputsOfNormalisations(module, 3, 5);
}

/** Everything that BatchNormalization holds: scale, bias, running mean and running variance. */
export function batchNormNames(module: OnnxModule): ReadonlySet<string> {
  return inputsOfNormalisations(module, 1, 5);
}

function inputsOfNormalisations({ graph }: OnnxModule, from: number, to: number): ReadonlySet<string> {
  const nodes = graph.nodes.filter(({ opType, domain }) => opType === "BatchNormalization" && domain === "");
  return new Set(nodes.flatMap(({ inputs }) => inputs.slice(from, to)).filter((name) => graph.initializers.has(name)));
}
