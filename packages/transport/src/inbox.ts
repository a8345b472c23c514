// The client's side of every transport: instructions one at a time, until the connection ends one way or the other.
import type { FederationError, Instruction } from "@perennial-fl/core";
import { Queue } from "./queue.js";

/** Hands out an instruction only when the one before has been answered; a `reconnect` is the last one. */
export class Inbox {
  readonly #arrived = new Queue<Instruction>();
  readonly #leave: () => Promise<void>;
  #lost: FederationError | undefined;
  #ended = false;
  #busy = false;
  #release: (() => void) | undefined;

  /** `leave` is called after a `reconnect` was handed out: there is nothing more to say in this stay. */
  constructor(leave: () => Promise<void>) {
    this.#leave = leave;
  }

  /** Why the connection was lost, if it was. */
  get lost(): FederationError | undefined {
    return this.#lost;
  }

  push(instruction: Instruction): void {
    this.#arrived.push(instruction);
  }

  /** The last instruction has been answered. */
  answered(): void {
    this.#busy = false;
    this.#release?.();
  }

  /** The connection is over: without an error because we closed it, with one because it was lost. */
  end(lost?: FederationError): void {
    if (!this.#ended) this.#lost = lost;
    this.#ended = true;
    this.#arrived.end();
    this.answered();
  }

  async *instructions(): AsyncGenerator<Instruction, void, undefined> {
    for await (const instruction of this.#arrived) {
      this.#busy = true;
      yield instruction;
      if (instruction.type === "reconnect") {
        await this.#leave();
        return;
      }
      await new Promise<void>((resolve) => {
        this.#release = resolve;
        if (!this.#busy) resolve();
      });
    }
    if (this.#lost !== undefined) throw this.#lost;
  }
}
