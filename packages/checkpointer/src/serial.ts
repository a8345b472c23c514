// Runs asynchronous steps one after another, in the order in which they were asked for.

/** A queue whose steps never overlap. A step that fails fails for its caller alone. */
export function serial(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = last.then(run);
    last = result.catch(() => undefined);
    return result;
  };
}
