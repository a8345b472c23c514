// Keeps a worker from being ended in the middle of a native call, which would abort the whole process: the runtime
// cannot return into a thread that is being torn down. Memory of both threads holds two flags for it.
import { FederationError } from "@perennial-fl/core";

export type Lifeline = Int32Array;

const flags = { cut: 0, held: 1, length: 2 } as const;

export function newLifeline(): Lifeline {
  return new Int32Array(new SharedArrayBuffer(flags.length * Int32Array.BYTES_PER_ELEMENT));
}

/** In the worker: does native work, unless the lifeline has been cut; then it throws `trainer/aborted`. */
export async function holding<T>(lifeline: Lifeline, work: () => Promise<T>): Promise<T> {
  // Hold first, look then, as the other side cuts first and looks then: one of the two sees the other.
  Atomics.store(lifeline, flags.held, 1);
  try {
    if (Atomics.load(lifeline, flags.cut) !== 0) throw new FederationError("trainer/aborted", "the trainer was closed");
    return await work();
  } finally {
    Atomics.store(lifeline, flags.held, 0);
    Atomics.notify(lifeline, flags.held);
  }
}

/** In the main thread: no further native work begins. */
export function cut(lifeline: Lifeline): void {
  Atomics.store(lifeline, flags.cut, 1);
}

/** In the main thread, after {@link cut}: blocks until no native work is under way, one step at most. */
export function waitUntilFree(lifeline: Lifeline): void {
  Atomics.wait(lifeline, flags.held, 1);
}
