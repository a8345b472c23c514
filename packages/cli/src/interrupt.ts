// Ctrl-C: the first asks for a clean stop, the second ends the process at once.
import { exitCodeOfSignal } from "./exit-codes.js";

export interface Interrupt {
  /** Fires at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Which one it was, once it came. */
  readonly cause: () => "SIGINT" | "SIGTERM" | undefined;
  /** Stops listening. */
  readonly release: () => void;
}

/** Listens for SIGINT and SIGTERM; `onFirst` tells the person that the stop is under way. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  let cause: "SIGINT" | "SIGTERM" | undefined;
  const take = (name: "SIGINT" | "SIGTERM"): void => {
    // Whatever is durable stays so: a kill at any instant is what the state directory is made for.
    if (cause !== undefined) process.exit(exitCodeOfSignal(name));
    cause = name;
    onFirst();
    controller.abort();
  };
  process.on("SIGINT", take).on("SIGTERM", take);
  return {
    signal: controller.signal,
    cause: () => cause,
    release: () => {
      process.off("SIGINT", take).off("SIGTERM", take);
    },
  };
}
