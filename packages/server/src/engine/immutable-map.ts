// A map that never changes, of which changed copies are cheap: states of the engine share almost all of their clients.

/** In `changes`, for a key that is gone. */
const gone = Symbol("gone");

/**
 * A copy with one entry changed costs about the square root of the size: it shares the entries of the whole map and has
 * changes of its own, and when those become many they are made one with the entries.
 */
export class ImmutableMap<K, V extends object> implements ReadonlyMap<K, V> {
  readonly #entries: ReadonlyMap<K, V>;
  readonly #changes: ReadonlyMap<K, V | typeof gone>;
  readonly size: number;

  private constructor(entries: ReadonlyMap<K, V>, changes: ReadonlyMap<K, V | typeof gone>, size: number) {
    this.#entries = entries;
    this.#changes = changes;
    this.size = size;
  }

  /** Later entries of a key replace earlier ones, as in a `Map`. */
  static of<K, V extends object>(entries: Iterable<readonly [K, V]> = []): ImmutableMap<K, V> {
    const map = new Map<K, V>(entries);
    return new ImmutableMap<K, V>(map, new Map(), map.size);
  }

  get(key: K): V | undefined {
    const changed = this.#changes.get(key);
    if (changed === gone) return undefined;
    return changed ?? this.#entries.get(key);
  }

  has(key: K): boolean {
    const changed = this.#changes.get(key);
    return changed === undefined ? this.#entries.has(key) : changed !== gone;
  }

  with(key: K, value: V): ImmutableMap<K, V> {
    return this.#changed(key, value, this.has(key) ? this.size : this.size + 1);
  }

  without(key: K): ImmutableMap<K, V> {
    return this.has(key) ? this.#changed(key, gone, this.size - 1) : this;
  }

  /** With all of these; keys of this map keep their place. */
  withAll(changed: Iterable<readonly [K, V]>): ImmutableMap<K, V> {
    return ImmutableMap.of([...this, ...changed]);
  }

  *[Symbol.iterator](): MapIterator<[K, V]> {
    for (const [key, value] of this.#entries) {
      const changed = this.#changes.get(key);
      if (changed !== gone) yield [key, changed ?? value];
    }
    for (const [key, value] of this.#changes) {
      if (value !== gone && !this.#entries.has(key)) yield [key, value];
    }
  }

  entries(): MapIterator<[K, V]> {
    return this[Symbol.iterator]();
  }

  *keys(): MapIterator<K> {
    for (const [key] of this) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this) yield value;
  }

  forEach(see: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) see(value, key, this);
  }

  #changed(key: K, value: V | typeof gone, size: number): ImmutableMap<K, V> {
    const changes = new Map(this.#changes).set(key, value);
    const changed = new ImmutableMap(this.#entries, changes, size);
    return changes.size ** 2 > this.#entries.size + 64 ? ImmutableMap.of(changed) : changed;
  }
}
