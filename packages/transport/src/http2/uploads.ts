// Which updates may flow at once, and the memory through which they flow: both do not grow with the number of clients.
import type { HeldBytes } from "./held-bytes.js";
import type { StreamingLimits } from "./limits.js";

/** The right to receive a message. */
export interface Place {
  /** Two buffers: one is filled while the other is being stored. */
  readonly stages: readonly [Uint8Array, Uint8Array];
  leave(): void;
}

/** Hands out places in the order in which they were asked for. */
export class Uploads {
  readonly #limits: StreamingLimits;
  readonly #held: HeldBytes;
  readonly #stages: Place["stages"][] = [];
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(limits: StreamingLimits, held: HeldBytes) {
    this.#limits = limits;
    this.#held = held;
  }

  /** A place for a message of `length` bytes: at once for a small one, for another when its turn comes. */
  async enter(length: number): Promise<Place> {
    if (length <= this.#limits.smallMessageBytes) return this.#smallPlace(length);
    const { leave } = await this.turn();
    const { stageBytes } = this.#limits;
    const stages = this.#stages.pop() ?? stagesOf(stageBytes);
    this.#held.add(2 * stageBytes);
    return {
      stages,
      leave: () => {
        this.#stages.push(stages);
        this.#held.add(-2 * stageBytes);
        leave();
      },
    };
  }

  /** The turn alone, for what has memory of its own. */
  async turn(): Promise<Pick<Place, "leave">> {
    if (this.#taken < this.#limits.uploads) this.#taken++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const leave = (): void => {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    };
    return { leave };
  }

  #smallPlace(length: number): Place {
    const bytes = 8 * Math.ceil(length / 8);
    this.#held.add(2 * bytes);
    const leave = (): void => {
      this.#held.add(-2 * bytes);
    };
    return { stages: stagesOf(bytes), leave };
  }
}

function stagesOf(bytes: number): Place["stages"] {
  // Not from Node's pool, whose slices are not aligned for float64.
  return [new Uint8Array(new ArrayBuffer(bytes)), new Uint8Array(new ArrayBuffer(bytes))];
}
