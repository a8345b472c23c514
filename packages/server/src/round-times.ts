// Where a round's time went: the way of the answer that came last, from the opening to the commit.
import type { AnswerTimes } from "@perennial-fl/core";

/** Milliseconds, one stretch after the other: together they are the round's. */
export interface RoundTimes {
  /** Until the instruction had gone to the client whose answer was accepted last. */
  readonly broadcastMs: number;
  /** Until the first byte of its answer came: the client's own time, and the network's. */
  readonly clientMs: number;
  /** Until the last byte of it had come. */
  readonly uploadMs: number;
  /** Until it was durable and counted. */
  readonly durableMs: number;
  /** Spent on clients that did not answer. */
  readonly waitMs: number;
  readonly aggregateMs: number;
  /** By the server, by clients, or by both. */
  readonly evaluateMs: number;
  /** Of the module, where it is checkpointed, and of the state. */
  readonly commitMs: number;
  readonly totalMs: number;
}

/** The moments of the open round, by a steady clock in milliseconds. */
export class RoundClock {
  readonly #now: () => number;
  #opened = 0;
  #last: { readonly times: AnswerTimes | undefined; readonly accepted: number } | undefined;
  #closed = 0;
  #aggregated = 0;
  #evaluated = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  opened(): void {
    this.#opened = this.#now();
    this.#last = undefined;
  }

  /** Fit answers have become facts; these are the times of the last of them, as far as its transport tells them. */
  accepted(times: AnswerTimes | undefined): void {
    this.#last = { times, accepted: this.#now() };
  }

  closed(): void {
    this.#closed = this.#now();
  }

  aggregated(): void {
    this.#aggregated = this.#now();
  }

  evaluated(): void {
    this.#evaluated = this.#now();
  }

  /** At the commit. `undefined` for a round whose opening this session has not seen. */
  committed(): RoundTimes | undefined {
    const opened = this.#opened;
    if (opened === 0) return undefined;
    this.#opened = 0;
    const end = this.#now();
    const accepted = this.#last?.accepted ?? opened;
    // A transport without times leaves all of it to the client.
    const { sentMs = opened, beganMs = accepted, endedMs = accepted } = this.#last?.times ?? {};
    const moments = [opened, sentMs, beganMs, endedMs, accepted, this.#closed, this.#aggregated, this.#evaluated, end];
    const stretch = (index: number): number => (moments[index + 1] as number) - (moments[index] as number);
    return {
      broadcastMs: stretch(0),
      clientMs: stretch(1),
      uploadMs: stretch(2),
      durableMs: stretch(3),
      waitMs: stretch(4),
      aggregateMs: stretch(5),
      evaluateMs: stretch(6),
      commitMs: stretch(7),
      totalMs: end - opened,
    };
  }
}
