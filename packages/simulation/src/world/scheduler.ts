// Virtual time: what happens next, in an order that a seed decides and no clock of this machine.

/**
 * A simulated process. While it is paused nothing happens to it, and all of it afterwards; once it is dead, nothing
 * happens to it ever, so that code which awaited something simply stops there, as killed code does.
 */
export class Process {
  readonly name: string;
  #state: "running" | "paused" | "dead" = "running";
  #held: (() => void)[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get alive(): boolean {
    return this.#state !== "dead";
  }

  get paused(): boolean {
    return this.#state === "paused";
  }

  /** Happens now, after the pause, or never. */
  receive(happen: () => void): void {
    if (this.#state === "running") happen();
    else if (this.#state === "paused") this.#held.push(happen);
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** Gives back what was held, in order; it is the caller's to let it happen. */
  resume(): readonly (() => void)[] {
    if (this.#state !== "paused") return [];
    this.#state = "running";
    return this.#held.splice(0);
  }

  kill(): void {
    this.#state = "dead";
    this.#held = [];
  }
}

/** Something that will happen. */
export interface Due {
  readonly atMs: number;
  readonly process: Process | undefined;
  readonly happen: () => void;
  cancelled: boolean;
}

/** The events to come. Between two of them everything that the first one set in motion has run as far as it can. */
export class Scheduler {
  /** By time; of one instant, the earlier scheduled first. The next one is the last. */
  readonly #due: Due[] = [];
  #nowMs = 0;
  #steps = 0;

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened. */
  get steps(): number {
    return this.#steps;
  }

  /** Something that happens to a process (or, without one, to the world) after `ms`. */
  after(ms: number, process: Process | undefined, happen: () => void): Due {
    const due: Due = { atMs: this.#nowMs + ms, process, happen, cancelled: false };
    this.#due.splice(this.#place(due.atMs), 0, due);
    return due;
  }

  /** Resolves for the process after `ms`; never if it dies meanwhile. */
  sleep(ms: number, process: Process): Promise<void> {
    return new Promise((resolve) => this.after(ms, process, resolve));
  }

  resume(process: Process): void {
    for (const happen of process.resume()) this.after(0, process, happen);
  }

  /** Lets the next event happen, and all code that it wakes run until it waits again. False when nothing is to come. */
  async step(): Promise<boolean> {
    const due = this.#due.pop();
    if (due === undefined) return false;
    if (due.cancelled || due.process?.alive === false) return true;
    this.#nowMs = due.atMs;
    this.#steps++;
    if (due.process === undefined) due.happen();
    else due.process.receive(due.happen);
    await settled();
    return true;
  }

  /** Where an event of this time belongs: before all that come at the same time or sooner. */
  #place(atMs: number): number {
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#due[middle] as Due).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Everything in a simulation waits for promises alone, so after one turn of the event loop all of it waits. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
