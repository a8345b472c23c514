// A queue between those who push and the one who iterates: unbounded, in order, ended once.

/** What is pushed comes out of the iteration in order. Breaking off an iteration loses nothing: the next one goes on. */
export class Queue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #ended = false;

  push(item: T): void {
    if (this.#ended) return;
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next({ done: false, value: item });
  }

  /** No more will come: iterations end after what is already here, and later pushes are dropped. */
  end(): void {
    this.#ended = true;
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#next() };
  }

  /** The next item, if it is here already and `wanted`. */
  takeIf(wanted: (item: T) => boolean): T | undefined {
    const [item] = this.#items;
    return item !== undefined && wanted(item) ? this.#items.shift() : undefined;
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) return Promise.resolve({ done: false, value: this.#items.shift() as T });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
