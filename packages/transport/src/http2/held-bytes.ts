// How many bytes of clients' messages the server holds in memory, now and at most.

export class HeldBytes {
  #now = 0;
  #peak = 0;

  /** The most that was ever held at once. */
  get peak(): number {
    return this.#peak;
  }

  get now(): number {
    return this.#now;
  }

  add(bytes: number): void {
    this.#now += bytes;
    if (this.#now > this.#peak) this.#peak = this.#now;
  }
}
