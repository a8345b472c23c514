// The plain reference: what the model must be, recomputed with simple loops from what clients have trained.
import { float32 } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { parametersSha256 } from "@perennial-fl/checkpointer";
import type { RoundRecord } from "@perennial-fl/server";
import type { Trained } from "./virtual-client.js";

/** The model after a round, and the server's momentum. */
export interface Expected {
  readonly parameters: Parameters;
  readonly momentum: Parameters;
}

export interface ReferenceOptions {
  readonly initial: Parameters;
  /** μ of FedAvgM with a server learning rate of 1; absent: FedAvg. */
  readonly momentum: number | undefined;
}

/** More ways than these to explain one round are not tried. */
const mostWays = 256;

/** Follows a run, round by round. */
export class Reference {
  readonly #momentum: number | undefined;
  /** By round, from 0. */
  readonly #rounds: Expected[];

  constructor({ initial, momentum }: ReferenceOptions) {
    this.#momentum = momentum;
    this.#rounds = [{ parameters: initial, momentum: initial.map(({ shape, data }) => zeros(shape, data.length)) }];
  }

  /** How far it has followed. */
  get round(): number {
    return this.#rounds.length - 1;
  }

  parametersAfter(round: number): Parameters | undefined {
    return this.#rounds[round]?.parameters;
  }

  /** The run has gone back: what came after this round did not happen. */
  forgetAfter(round: number): void {
    this.#rounds.length = Math.min(this.#rounds.length, round + 1);
  }

  /**
   * Follows one more round to the digest that it ended with. `made` gives everything that a client has trained for the
   * round from the model that it was given. Gives what is wrong, in words, if nothing explains the digest.
   */
  follow(
    record: RoundRecord,
    digest: string,
    made: (client: string, given: string) => readonly Trained[],
  ): string | undefined {
    const before = this.#rounds.at(-1) as Expected;
    const given = parametersSha256(before.parameters);
    const { answered } = record.fit;
    if (new Set(answered).size !== answered.length)
      return `round ${record.round} counts a client twice: ${answered.join(", ")}`;
    const choices = answered.map((client) => made(client, given));
    const unexplained = answered.filter((_, at) => choices[at]?.length === 0);
    if (unexplained.length > 0) {
      return `round ${record.round} counts ${unexplained.join(", ")}, who trained nothing for it from the model of round ${record.round - 1}`;
    }
    for (const counted of combinations(choices).slice(0, mostWays)) {
      if (counted.reduce((sum, { numExamples }) => sum + numExamples, 0) !== record.fit.numExamples) continue;
      const after = counted.length === 0 ? before : this.#moved(before, counted);
      if (parametersSha256(after.parameters) !== digest) continue;
      this.#rounds.push(after);
      return undefined;
    }
    return `round ${record.round} ended with another model than the updates of ${answered.join(", ") || "nobody"} give`;
  }

  #moved(before: Expected, counted: readonly Trained[]): Expected {
    const total = counted.reduce((sum, { numExamples }) => sum + numExamples, 0);
    const mean = before.parameters.map(({ shape, data }, tensor) =>
      float32(
        shape,
        Float32Array.from({ length: data.length }, (_, i) => {
          let sum = 0;
          for (const { update, numExamples } of counted) sum += numExamples * (update[tensor]?.data[i] as number);
          return sum / total;
        }),
      ),
    );
    const mu = this.#momentum;
    if (mu === undefined) return { parameters: mean, momentum: before.momentum };
    const moments = before.momentum.map(({ data }, tensor) =>
      Array.from(data as Float32Array, (m, i) => {
        const [now, wanted] = [before.parameters[tensor]?.data[i] as number, mean[tensor]?.data[i] as number];
        return mu * m + (now - wanted);
      }),
    );
    return {
      parameters: before.parameters.map(({ shape, data }, tensor) =>
        float32(
          shape,
          Array.from(data as Float32Array, (w, i) => w - (moments[tensor]?.[i] as number)),
        ),
      ),
      momentum: before.momentum.map(({ shape }, tensor) => float32(shape, moments[tensor] as number[])),
    };
  }
}

/** One of each, in every way. */
function combinations<T>(choices: readonly (readonly T[])[]): T[][] {
  return choices.reduce<T[][]>((ways, each) => ways.flatMap((way) => each.map((item) => [...way, item])), [[]]);
}

function zeros(shape: readonly number[], length: number) {
  return float32(shape, new Float32Array(length));
}
