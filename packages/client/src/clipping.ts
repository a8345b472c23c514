// Clipping by the client: a server that asks for it by Flower's `clipping_norm` gets no update that lies farther away.
import { FederationError, memoryResult, numberOf, sameHeader } from "@perennial-fl/core";
import type { Config, Metrics, Parameters } from "@perennial-fl/core";
import { clipped, updateNorm } from "@perennial-fl/strategy";

interface Update {
  readonly parameters: Parameters;
  readonly metrics: Metrics;
}

/**
 * The update within `clipping_norm` (L2, over all tensors) of what was sent, and beside the client's metrics `norm_bit`,
 * which says whether it had been so before; a client that reports one itself has clipped by itself. Without
 * `clipping_norm`, or for an update that does not fit the model and so cannot count, what was given.
 */
export function clippedAsAsked(update: Update, sent: Parameters, config: Config): Update {
  const asked = config["clipping_norm"];
  if (asked === undefined) return update;
  const norm = numberOf(asked);
  if (norm === undefined || !(norm > 0)) {
    throw new FederationError("client/failed", `clipping_norm is a number above 0, not ${norm ?? typeof asked}`);
  }
  const { parameters, metrics } = update;
  const fits = parameters.length === sent.length && parameters.every((each, i) => sameHeader(each, sent[i] ?? each));
  if (!fits) return update;
  const result = memoryResult(parameters);
  const within = updateNorm(result, sent) <= norm;
  const bounded = within ? parameters : clippedTensors(result, sent, norm);
  return { parameters: bounded, metrics: { norm_bit: within, ...metrics } };
}

function clippedTensors(result: ReturnType<typeof memoryResult>, sent: Parameters, norm: number): Parameters {
  const within = clipped(result, sent, norm);
  return within.tensors.map((_, index) => within.read(index));
}
