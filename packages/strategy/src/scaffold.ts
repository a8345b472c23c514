// SCAFFOLD on the server: the global model and the control variate that goes with it.
import { FederationError, describeTensor, scaffoldNames, zeros } from "@perennial-fl/core";
import type { Parameters, Records } from "@perennial-fl/core";
import { weightedMean } from "./mean.js";
import { stepMove } from "./moves.js";
import { numbersOf, tensorOf } from "./numbers.js";
import type { Contribution, Exchange, Move, PlainAggregate } from "./strategy.js";

/** What SCAFFOLD remembers: c, and for each client the round of its last update that counted. */
export type ScaffoldState = {
  readonly control: Parameters;
  /** In order of the ids. */
  readonly counted: readonly (readonly [client: string, round: number])[];
};

/** x̂ = 1/|S| Σ yᵢ: unweighted, as the paper's. */
export const plainMean: PlainAggregate = (contributions, current) =>
  weightedMean(
    contributions.map((contribution) => ({ ...contribution, numExamples: 1 })),
    current,
  );

/**
 * SCAFFOLD (Karimireddy et al. 2020, arXiv 1910.06378, algorithm 1): x ← x + η_g (x̂ − x), and
 * c ← c + 1/N Σ (cᵢ⁺ − cᵢ) over the clients that answered, of N in all. A stock client's difference is 0.
 */
export function scaffoldMove({
  eta,
  population,
}: {
  readonly eta: number;
  readonly population: number;
}): Move<ScaffoldState> {
  const step = stepMove(eta);
  return {
    init(parameters) {
      const odd = parameters.find(({ dtype }) => dtype !== "float32");
      if (odd)
        throw new FederationError("strategy/failed", `scaffold moves float32 tensors, not ${describeTensor(odd)}`);
      return { control: parameters.map(({ shape }) => zeros("float32", shape)), counted: [] };
    },
    update(aggregate, state, current, context) {
      const { contributions, round } = context;
      const [parameters] = step.update(aggregate, null, current, context);
      const varied = contributions.filter(({ records }) => records !== undefined);
      const counted = new Map([...state.counted, ...varied.map(({ client }) => [client, round] as const)]);
      return [
        parameters,
        {
          control: moveControl(state.control, varied, population),
          counted: [...counted].sort(([a], [b]) => (a < b ? -1 : 1)),
        },
      ];
    },
  };
}

function moveControl(control: Parameters, varied: readonly Contribution[], population: number): Parameters {
  return control.map((c, index) => {
    const sum = new Float64Array(c.data.length);
    for (const { records } of varied) {
      const delta = numbersOf((records?.[scaffoldNames.delta] as NonNullable<typeof records>[string]).read(index));
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (delta[i] as number);
    }
    const from = numbersOf(c);
    return tensorOf(
      c,
      sum.map((total, i) => (from[i] as number) + total / population),
    );
  });
}

/** What travels beside the model. */
export const scaffoldExchange: Exchange = {
  give: (state): Records => ({ [scaffoldNames.control]: (state as ScaffoldState).control }),
  take: [scaffoldNames.delta],
  without: "it trains without a control variate, as if its own were 0",
};

/** The round of a client's last update that counted, 0 for none. */
export function countedRound({ counted }: ScaffoldState, client: string): number {
  return counted.find(([id]) => id === client)?.[1] ?? 0;
}
