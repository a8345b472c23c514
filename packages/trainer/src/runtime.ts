// The one place that loads onnxruntime-node, and the switch that keeps it from reporting what it runs.
import { isMainThread } from "node:worker_threads";
import { FederationError, messageOf } from "@perennial-fl/core";
import type * as Onnxruntime from "onnxruntime-node";

export type Runtime = typeof Onnxruntime;

// From 1.29 on, onnxruntime-node collects model and machine data on Linux and macOS and sends them to its maker. The
// native library reads this variable from the real environment of the process, which only the main thread can
// write (a worker's is a copy), and it reads it once: so it is set on import, before any session or worker exists.
const telemetrySwitch = "ORT_DISABLE_TELEMETRY";
if (isMainThread) process.env[telemetrySwitch] = "1";

/** Throws `trainer/unavailable` in a thread from which telemetry can no longer be switched off. */
export function requireSilence(): void {
  if (process.env[telemetrySwitch] === "1") return;
  throw new FederationError(
    "trainer/unavailable",
    `onnxruntime's telemetry cannot be switched off from a worker thread: import @perennial-fl/trainer in the main ` +
      `thread before starting the worker, or set ${telemetrySwitch}=1 in the environment`,
  );
}

/**
 * Loads onnxruntime-node. Throws `trainer/unavailable`, with the remedy, if it is not installed, cannot be loaded on
 * this machine, or does not have the execution provider.
 */
export async function loadRuntime(executionProvider: string): Promise<Runtime> {
  const runtime = await import("onnxruntime-node").catch((cause: unknown) => {
    throw new FederationError(
      "trainer/unavailable",
      `loading onnxruntime-node failed (${messageOf(cause)}); training needs it: npm install onnxruntime-node ` +
        `(where its install script cannot reach the network, with ONNXRUNTIME_NODE_INSTALL=skip in the environment)`,
      { cause },
    );
  });
  const available = runtime.listSupportedBackends().map((backend) => backend.name);
  if (!available.includes(executionProvider)) {
    throw new FederationError(
      "trainer/unavailable",
      `onnxruntime-node has no execution provider "${executionProvider}" here, only ${available.join(", ")}`,
    );
  }
  return runtime;
}
