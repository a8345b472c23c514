// Whether a round's results will find room on the disk, before anyone is asked for them.
import { FederationError, byteLength } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import type { Storage } from "@perennial-fl/checkpointer";

/** The bytes that a round needs at least: an update of the model's size from every member of the cohort, and the state. */
export function bytesNeeded(cohort: number, parameters: Parameters, strategyState: Saved): number {
  const model = parameters.reduce((sum, tensor) => sum + byteLength(tensor), 0);
  // Both generations of the state stand side by side while the newer one is written.
  return (cohort + 1) * model + savedBytes(strategyState);
}

/**
 * Announces what the round needs, and throws `storage/full` if there is less room than that; the round is then not
 * opened, and the run can be resumed. Does neither where the room is not known.
 */
export async function checkSpace(
  storage: Pick<Storage, "free" | "location">,
  round: number,
  needed: number,
  announce: (space: { readonly needed: number; readonly free: number }) => void,
): Promise<void> {
  const free = await storage.free();
  if (free === undefined) return;
  announce({ needed, free });
  if (free >= needed) return;
  throw new FederationError(
    "storage/full",
    `round ${round} needs ${needed} bytes in ${storage.location}, and ${free} are free; make room and resume`,
  );
}

function savedBytes(value: Saved): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== "object" || value === null) return 0;
  return (Object.values(value) as readonly Saved[]).reduce<number>((sum, each) => sum + savedBytes(each), 0);
}
