// Updates that travel as small differences, around any strategy that takes the model's tensors alone.
import { FederationError, decodeDelta, deltaEntry, deltaPrecisions } from "@perennial-fl/core";
import type { DeltaPrecision } from "@perennial-fl/core";
import type { Strategy } from "./strategy.js";

/**
 * Has our own clients send what they learnt as `float16` or `int8` differences from the model they were sent, with error
 * feedback in their durable state: half or a quarter of the bytes. Whoever answers with whole tensors, as stock clients
 * do, counts as ever. Throws `argument/invalid` for a strategy whose updates bring more than the model (SCAFFOLD) or may
 * be of an older one (FedBuff, late updates).
 */
export function compressed(strategy: Strategy, precision: DeltaPrecision): Strategy {
  if (!deltaPrecisions.includes(precision)) {
    throw new FederationError(
      "argument/invalid",
      `updates travel as ${deltaPrecisions.join(" or ")}, not ${JSON.stringify(precision)}`,
    );
  }
  if (strategy.exchange || strategy.late) {
    const why = strategy.exchange ? "brings more than the model's tensors" : "may be of an older model";
    throw new FederationError(
      "argument/invalid",
      `an update of ${JSON.stringify(strategy.plan["strategy"])} ${why}, so it cannot travel as a difference`,
    );
  }
  return {
    ...strategy,
    plan: { ...strategy.plan, delta: precision },
    configure(round, phase, state, client) {
      const config = strategy.configure(round, phase, state, client);
      return phase === "fit" ? { ...config, [deltaEntry]: precision } : config;
    },
    decode({ update, metrics }, current) {
      return metrics[deltaEntry] === precision ? decodeDelta(update, current, precision) : update;
    },
    // Another thread would find the differences, and not the model they are differences from.
    aggregate: (contributions, current, context) => strategy.aggregate(contributions, current, context),
  };
}
