// What becomes of an update that failed on its way.
import { messageOf } from "@perennial-fl/core";
import type { UpdateSink } from "@perennial-fl/core";

/** Forgets what a sink holds of an update that failed with `error`; gives the whole story. */
export async function forget(sink: UpdateSink | undefined, error: unknown): Promise<string> {
  try {
    await sink?.abort(error);
    return messageOf(error);
  } catch (second) {
    return `${messageOf(error)}; and the update could not be forgotten: ${messageOf(second)}`;
  }
}
