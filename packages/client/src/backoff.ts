// Exponential back-off with full jitter, so that a thousand clients do not come back in the same instant.
import { FederationError } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";

export interface BackoffOptions {
  /** The longest first wait. Default 250. */
  readonly firstMs?: number;
  /** The longest wait of all. Default 5000. */
  readonly maxMs?: number;
  /** Throws the connection's error after this time without a server. Default: never. */
  readonly giveUpAfterMs?: number;
}

/** The waits of one absence: wait k is uniform between 0 and min(maxMs, firstMs * 2^k). */
export class Backoff {
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #maxMs: number;
  #tries = 0;

  /** Throws `argument/invalid` for waits that are not positive. */
  constructor({ firstMs = 250, maxMs = 5000, giveUpAfterMs = Infinity }: BackoffOptions, random: Random) {
    for (const [name, ms] of Object.entries({ firstMs, maxMs })) {
      if (!(ms > 0 && ms < 2 ** 31)) {
        throw new FederationError(
          "argument/invalid",
          `backoff.${name} is a positive number of milliseconds, not ${ms}`,
        );
      }
    }
    if (!(giveUpAfterMs >= 0)) {
      throw new FederationError(
        "argument/invalid",
        `backoff.giveUpAfterMs is a time in milliseconds, not ${giveUpAfterMs}`,
      );
    }
    this.#random = random;
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** The next wait, in milliseconds. */
  next(): number {
    // Beyond 2^30 the cap holds anyway, and the power would one day be Infinity.
    const limit = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#tries, 30));
    this.#tries += 1;
    return this.#random.float() * limit;
  }

  /** The server was there: the next absence begins with short waits. */
  reset(): void {
    this.#tries = 0;
  }
}
