// The module checkpointers of a client: offered the local model before aggregation, the global one after it.
import { resolve } from "node:path";
import { FederationError, messageOf } from "@perennial-fl/core";
import type { Metrics } from "@perennial-fl/core";
import type { TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import type { ClientContext } from "./client.js";

export interface Offer {
  readonly module: OnnxModule;
  readonly loss: number;
  readonly metrics: Metrics;
}

/** Throws `argument/invalid` if two checkpointers would write one file, however its path is spelled. */
export function checkPaths(checkpointers: readonly TorchModuleCheckpointer[]): void {
  const seen = new Set<string>();
  for (const { checkpointPath } of checkpointers) {
    const path = resolve(checkpointPath);
    if (seen.has(path)) {
      throw new FederationError("argument/invalid", `two checkpointers of one client would both write ${path}`);
    }
    seen.add(path);
  }
}

/**
 * Offers a module, which then names its run and round, to each checkpointer. One that fails is reported as a warning;
 * it stops neither the others nor the training.
 */
export async function offer(
  checkpointers: readonly TorchModuleCheckpointer[],
  { module, loss, metrics }: Offer,
  { key, warn }: ClientContext,
): Promise<void> {
  const named = key ? module.withMetadata({ "perennial.run": key.run, "perennial.round": String(key.round) }) : module;
  for (const checkpointer of checkpointers) {
    try {
      await checkpointer.maybeCheckpoint(named, loss, metrics);
    } catch (error) {
      warn(`the checkpoint ${checkpointer.checkpointPath} was not written: ${messageOf(error)}`);
    }
  }
}
