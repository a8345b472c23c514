// What a strategy makes of a round's updates, and what becomes of a round of which it can make nothing.
import { FederationError, describeTensor, firstNonFinite, isFederationError } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { advance } from "@perennial-fl/strategy";
import type { Plan } from "../plan.js";
import type { Command, Durable, Fact } from "./types.js";

/**
 * The fact that the model has moved. A strategy that throws `strategy/failed`, or makes a model that is not finite, costs
 * the round and not the run: after a restart the same updates would only fail it again.
 */
export function moved(
  { strategy, seed }: Plan,
  { parameters, strategyState }: Durable,
  { contributions, round, asked }: Extract<Command, { type: "aggregate" }>,
  aggregated?: Parameters,
): Extract<Fact, { type: "moved" }> {
  try {
    const held = { parameters, state: strategyState };
    const next = advance(strategy, contributions, held, { round, seed, asked, ...(aggregated && { aggregated }) });
    checkFinite(next.parameters);
    return { type: "moved", parameters: next.parameters, strategyState: next.state };
  } catch (error) {
    if (!isFederationError(error, "strategy/failed")) throw error;
    return { type: "moved", parameters, strategyState, failed: error.message };
  }
}

/** A strategy must not put into the model what no client may put into an update. */
function checkFinite(parameters: Parameters): void {
  for (const [index, tensor] of parameters.entries()) {
    const element = firstNonFinite(tensor);
    if (element < 0) continue;
    const message = `the strategy made tensor ${index} (${describeTensor(tensor)}) not finite at element ${element}`;
    throw new FederationError("strategy/failed", message);
  }
}
