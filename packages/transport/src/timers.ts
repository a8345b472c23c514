// Named timers of any length.

/** setTimeout's longest delay; a longer wait is a chain of these. */
const longestDelayMs = 2 ** 31 - 1;

/** What a {@link Timers} needs of a clock: Node's own, or a test's. */
export interface Clock {
  set(callback: () => void, ms: number): unknown;
  clear(handle: unknown): void;
}

const systemClock: Clock = {
  set: (callback, ms) => setTimeout(callback, ms),
  clear: (handle) => {
    clearTimeout(handle as NodeJS.Timeout);
  },
};

/** Timers by name; starting one again replaces it. */
export class Timers {
  readonly #clock: Clock;
  readonly #handles = new Map<string, unknown>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  start(name: string, ms: number, elapsed: () => void): void {
    this.#clock.clear(this.#handles.get(name));
    const step = Math.min(ms, longestDelayMs);
    const handle = this.#clock.set(() => {
      if (ms > step) {
        this.start(name, ms - step, elapsed);
      } else {
        this.#handles.delete(name);
        elapsed();
      }
    }, step);
    this.#handles.set(name, handle);
  }

  close(): void {
    for (const handle of this.#handles.values()) this.#clock.clear(handle);
    this.#handles.clear();
  }
}
