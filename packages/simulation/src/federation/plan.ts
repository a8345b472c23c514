// What a simulated federation sets out to do: drawn from the seed, as its rules are part of what is tested.
import type { Random } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { fedAvg, fedAvgM } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";

export interface FederationPlan {
  readonly clients: readonly string[];
  readonly numRounds: number;
  readonly model: OnnxModule;
  readonly strategy: Strategy;
  /** μ of FedAvgM; absent: FedAvg. */
  readonly momentum: number | undefined;
  readonly roundTimeoutMs: number;
}

const names = ["ada", "edith", "grace", "joan", "mary"];

export function drawPlan(draw: Random, seed: number): FederationPlan {
  const momentum = draw.below(2) === 0 ? 0.5 : undefined;
  const rules = {
    minFitClients: 2,
    minAvailableClients: 2,
    fractionFit: draw.below(2) === 0 ? 1 : 0.7,
    overSelection: draw.below(3) === 0 ? 1.3 : 1,
    minCompletion: draw.below(3) === 0 ? 0.5 : 0,
  };
  return {
    clients: names.slice(0, 3 + draw.below(3)),
    numRounds: 14,
    model: sequential([linear(2, 2)], { input: [2], seed }),
    strategy: momentum === undefined ? fedAvg(rules) : fedAvgM({ ...rules, serverMomentum: momentum }),
    momentum,
    roundTimeoutMs: 15_000,
  };
}
