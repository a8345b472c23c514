// Inference sessions, made once per graph and batch size: making one costs as much as many steps.
import type { InferenceSession } from "onnxruntime-node";
import type { BatchGraph, Setup } from "./protocol.js";
import { recent } from "./recent.js";
import type { Runtime } from "./runtime.js";

/** Full and partial batches of training and evaluation, for two datasets. */
const sessionsKept = 8;

export interface Sessions {
  of(graph: BatchGraph): Promise<InferenceSession>;
}

export function openSessions(runtime: Runtime, setup: Setup): Sessions {
  const sessions = recent<string, InferenceSession>(sessionsKept, (session) => void session.release());
  const options: InferenceSession.SessionOptions = {
    executionProviders: [setup.executionProvider],
    intraOpNumThreads: setup.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Whatever goes wrong is thrown; the runtime's own lines on stderr would only say it twice.
    logSeverityLevel: 4,
  };
  return {
    async of(graph) {
      const kept = sessions.get(graph.key);
      if (kept !== undefined) return kept;
      const session = await runtime.InferenceSession.create(graph.bytes, options);
      sessions.set(graph.key, session);
      return session;
    },
  };
}
