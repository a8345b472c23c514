// Partial exchange: some parameters are shared with the federation, the rest stay with the client.
import { FederationError } from "@perennial-fl/core";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { batchNormNames, bufferNames } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";

/**
 * Which parameters stay with the client, by name: batch normalisation for FedBN (Li et al. 2021, arXiv 2102.07623), a
 * personal head for FedPer (Arivazhagan et al. 2019, arXiv 1912.00818).
 */
export type KeepLocal = (name: string) => boolean;

/**
 * Keeps the running statistics of batch normalisation with the client, while its scale and bias travel (SiloBN: Andreux
 * et al. 2020, arXiv 2008.07424).
 */
export function keepStatistics(module: OnnxModule): KeepLocal {
  const names = bufferNames(module);
  return (name) => names.has(name);
}

/** Keeps all of batch normalisation with the client: scale, bias and running statistics (FedBN). */
export function keepBatchNorm(module: OnnxModule): KeepLocal {
  const names = batchNormNames(module);
  return (name) => names.has(name);
}

/** The parameters that travel, in the module's order. Of the module as it is: what the server begins with. */
export function sharedParameters(
  module: OnnxModule,
  keepLocal: KeepLocal,
  parameters: Parameters = module.parameters,
): Parameters {
  return parameters.filter((_, index) => !keepLocal(nameOf(module, index)));
}

/** The parameters that stay, in the module's order. */
export function localParameters(
  module: OnnxModule,
  keepLocal: KeepLocal,
  parameters: Parameters = module.parameters,
): Parameters {
  return parameters.filter((_, index) => keepLocal(nameOf(module, index)));
}

/** All parameters again, in the module's order. Throws `model/mismatch` if the received ones are too many or too few. */
export function merge(module: OnnxModule, received: Parameters, local: Parameters, keepLocal: KeepLocal): Parameters {
  const shared = module.parameterNames.filter((name) => !keepLocal(name));
  if (received.length !== shared.length) {
    throw new FederationError(
      "model/mismatch",
      `${received.length} tensors came, and this client shares ${shared.length} of its module's ${module.parameters.length}: ${shared.join(", ")}`,
    );
  }
  const [fromServer, ofMine] = [received.values(), local.values()];
  return module.parameterNames.map((name) => (keepLocal(name) ? ofMine : fromServer).next().value as Tensor);
}

function nameOf(module: OnnxModule, index: number): string {
  return module.parameterNames[index] as string;
}
