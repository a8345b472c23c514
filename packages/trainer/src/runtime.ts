// The one place that loads onnxruntime, native or as WebAssembly, and the switch that keeps it from reporting what it runs.
import { isMainThread } from "node:worker_threads";
import { FederationError, messageOf } from "@perennial-fl/core";
import type * as Onnxruntime from "onnxruntime-node";

type Common = Pick<typeof Onnxruntime, "InferenceSession" | "Tensor">;

/** What the worker uses of a runtime: what both packages have from onnxruntime-common, and how they differ. */
export interface Runtime extends Common {
  readonly type: "native" | "web";
  /** What its sessions are asked for. */
  readonly executionProvider: string;
  /** Whether a run writes its results into the memory that its fetches lend. */
  readonly fillsFetches: boolean;
}

/** `auto` is the native one, or where that cannot be loaded the one for the web, with a warning. */
export type RuntimeChoice = "auto" | "native" | "web";

export interface RuntimeOptions {
  readonly runtime?: RuntimeChoice;
  /** By onnxruntime's name. The web has `cpu` alone. */
  readonly executionProvider: string;
  readonly threads: number;
}

/** How the two packages are imported. */
export interface RuntimePackages {
  readonly native: () => Promise<Common & Pick<typeof Onnxruntime, "listSupportedBackends">>;
  readonly web: () => Promise<Common & { readonly env: { readonly wasm: { numThreads?: number } } }>;
}

const packages: RuntimePackages = {
  native: () => import("onnxruntime-node"),
  web: () => {
    // A name that the compiler does not follow: the package need not be there, and its types are onnxruntime-common's.
    const name: string = "onnxruntime-web";
    return import(name) as ReturnType<RuntimePackages["web"]>;
  },
};

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
 * Loads a runtime, and says in `warning` when it is not the one that was wanted first. Throws `trainer/unavailable`, with
 * the remedy, if none is installed, none can be loaded on this machine, or it does not have the execution provider.
 */
export async function loadRuntime(
  options: RuntimeOptions,
  from = packages,
): Promise<{ readonly runtime: Runtime; readonly warning?: string }> {
  if (options.runtime === "web") return { runtime: await loadWeb(options, from) };
  try {
    return { runtime: await loadNative(options, from) };
  } catch (cause) {
    const other = options.runtime === "auto" && options.executionProvider === "cpu";
    const runtime = other ? await loadWeb(options, from).catch(() => undefined) : undefined;
    // Where neither is there, the native one is the one to install.
    if (runtime === undefined) throw cause;
    const warning = `${messageOf(cause)}; until then onnxruntime-web trains, several times slower`;
    return { runtime, warning };
  }
}

async function loadNative({ executionProvider }: RuntimeOptions, { native }: RuntimePackages): Promise<Runtime> {
  const { InferenceSession, Tensor, listSupportedBackends } = await native().catch((cause: unknown) => {
    throw new FederationError(
      "trainer/unavailable",
      `loading onnxruntime-node failed (${messageOf(cause)}); training needs it: npm install onnxruntime-node ` +
        `(where its install script cannot reach the network, with ONNXRUNTIME_NODE_INSTALL=skip in the environment)`,
      { cause },
    );
  });
  const available = listSupportedBackends().map((backend) => backend.name);
  if (!available.includes(executionProvider)) {
    throw new FederationError(
      "trainer/unavailable",
      `onnxruntime-node has no execution provider "${executionProvider}" here, only ${available.join(", ")}`,
    );
  }
  return { type: "native", InferenceSession, Tensor, executionProvider, fillsFetches: true };
}

async function loadWeb({ executionProvider, threads }: RuntimeOptions, { web }: RuntimePackages): Promise<Runtime> {
  if (executionProvider !== "cpu") {
    throw new FederationError(
      "trainer/unavailable",
      `onnxruntime-web trains on the "cpu" alone, and "${executionProvider}" was asked for`,
    );
  }
  const { InferenceSession, Tensor, env } = await web().catch((cause: unknown) => {
    throw new FederationError(
      "trainer/unavailable",
      `loading onnxruntime-web failed (${messageOf(cause)}); it was asked for: npm install onnxruntime-web`,
      { cause },
    );
  });
  // Read once, when the first session is made. The WebAssembly itself lies in the package.
  env.wasm.numThreads = threads;
  return { type: "web", InferenceSession, Tensor, executionProvider: "wasm", fillsFetches: false };
}
