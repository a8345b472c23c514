// Inference sessions, made once per graph and batch size: making one costs as much as many steps.
import type { InferenceSession } from "onnxruntime-node";
import { holding } from "./lifeline.js";
import type { BatchGraph, WorkerData } from "./protocol.js";
import { recent } from "./recent.js";
import type { Runtime } from "./runtime.js";

/** Full and partial batches of training and evaluation, for two datasets. */
const sessionsKept = 8;

type Tensors = InferenceSession.FeedsType;

export interface Sessions {
  /** Runs a graph; `fetches` names the outputs wanted (all without it) and may lend them memory. */
  run(graph: BatchGraph, feeds: Tensors, fetches?: InferenceSession.FetchesType): Promise<Tensors>;
}

export function openSessions(runtime: Runtime, { threads, executionProvider, lifeline }: WorkerData): Sessions {
  const sessions = recent<string, InferenceSession>(sessionsKept, (session) => void session.release());
  const options: InferenceSession.SessionOptions = {
    executionProviders: [executionProvider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Whatever goes wrong is thrown; the runtime's own lines on stderr would only say it twice.
    logSeverityLevel: 4,
  };

  async function sessionOf({ key, bytes }: BatchGraph): Promise<InferenceSession> {
    const kept = sessions.get(key);
    if (kept !== undefined) return kept;
    const session = await runtime.InferenceSession.create(bytes, options);
    sessions.set(key, session);
    return session;
  }

  return {
    run: (graph, feeds, fetches) =>
      holding(lifeline, async () => {
        const session = await sessionOf(graph);
        return session.run(feeds, fetches ?? session.outputNames);
      }),
  };
}
