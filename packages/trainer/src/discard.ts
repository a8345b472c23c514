// Memory that nobody needs any more goes back at once: the collector counts the small object, not the many megabytes behind it.
import { MessageChannel } from "node:worker_threads";

const { port1, port2 } = new MessageChannel();
// What is sent to a port that is closed is lost, and what was moved along with it is freed.
port2.close();

/** Frees the buffers; arrays over them are empty from then on. */
export function discard(buffers: readonly ArrayBufferLike[]): void {
  const owned = new Set(buffers.filter((buffer) => buffer instanceof ArrayBuffer));
  if (owned.size > 0) port1.postMessage(null, [...owned]);
}
