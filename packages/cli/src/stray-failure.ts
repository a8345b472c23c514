// What an app throws where nobody waits for it: a promise that it forgot, a callback of its own.
import { FederationError, messageOf } from "@perennial-fl/core";
import { exitCodes } from "./exit-codes.js";

/** How long an app that has failed may take to stop. */
const graceMs = 5_000;

export interface StrayFailure {
  /** Rejects with `client/failed` at the first failure. */
  readonly failed: Promise<never>;
  /** Fires then, so that the client stops. */
  readonly signal: AbortSignal;
  /** Stops watching. */
  readonly release: () => void;
}

/** Watches the process on behalf of the app at `path`. */
export function watchApp(path: string): StrayFailure {
  const controller = new AbortController();
  let fail: (error: FederationError) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  // It may come while nobody waits for it yet.
  failed.catch(() => undefined);
  const take = (cause: unknown): void => {
    if (controller.signal.aborted) return;
    fail(
      new FederationError("client/failed", `--app ${path} failed where nobody waited: ${messageOf(cause)}`, { cause }),
    );
    controller.abort();
    // An app in such a state may never answer again, and a supervisor waits for this process to end.
    setTimeout(() => process.exit(exitCodes.failed), graceMs).unref();
  };
  process.on("unhandledRejection", take).on("uncaughtException", take);
  return {
    failed,
    signal: controller.signal,
    release: () => {
      if (!controller.signal.aborted) process.off("unhandledRejection", take).off("uncaughtException", take);
    },
  };
}
