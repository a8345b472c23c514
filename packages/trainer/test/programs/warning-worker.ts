// A worker that has found a runtime other than the one that was wanted.
import { parentPort } from "node:worker_threads";
import type { FromWorker } from "../../src/protocol.js";

parentPort?.on("message", () => parentPort?.close());
parentPort?.postMessage({ type: "ready", warning: "running on crutches" } satisfies FromWorker);
