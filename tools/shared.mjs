// Work shared out among the machine's processors.
import { availableParallelism } from "node:os";

/** Takes the items one after another, as many at a time as there are processors. */
export async function shared(items, take) {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await take(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
