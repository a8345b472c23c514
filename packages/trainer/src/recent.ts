// A map that keeps the entries used last.

export interface Recent<K, V> {
  /** The value of a key, which is now the one used last. */
  get(key: K): V | undefined;
  /** Adds an entry; the one unused for longest leaves if there is no room. */
  set(key: K, value: V): void;
}

/** Keeps `limit` entries; `onLeave` is told of each that has to make room. */
export function recent<K, V>(limit: number, onLeave: (value: V) => void): Recent<K, V> {
  // A Map iterates in order of insertion, so the first key is the one unused for longest.
  const entries = new Map<K, V>();
  const set = (key: K, value: V): void => {
    entries.delete(key);
    entries.set(key, value);
    for (const [oldest, left] of entries) {
      if (entries.size <= limit) break;
      entries.delete(oldest);
      onLeave(left);
    }
  };
  return {
    set,
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) set(key, value);
      return value;
    },
  };
}
