// Inference sessions, made once per graph and batch size: making one costs as much as many steps.
import type { InferenceSession } from "onnxruntime-node";
import { holding } from "./lifeline.js";
import { lowererOf } from "./lowering.js";
import type { Layouts } from "./lowering.js";
import type { BatchGraph, TrainingGraph, WorkerData } from "./protocol.js";
import { recent } from "./recent.js";
import type { Runtime } from "./runtime.js";

/** Full and partial batches of training and evaluation, for two datasets. */
const sessionsKept = 8;

type Tensors = InferenceSession.FeedsType;

export interface Sessions {
  /** Runs a graph; `fetches` names the outputs wanted (all without it) and may lend them memory. */
  run(graph: BatchGraph, feeds: Tensors, fetches?: InferenceSession.FetchesType): Promise<Tensors>;
  /** How {@link Sessions.run} takes and gives the values that a train step carries. */
  layouts(graph: TrainingGraph): Promise<Layouts>;
}

interface Opened {
  readonly session: InferenceSession;
  readonly layouts: Layouts;
}

export function openSessions(runtime: Runtime, { threads, lowerings, lifeline }: WorkerData): Sessions {
  const sessions = recent<string, Opened>(sessionsKept, ({ session }) => void session.release());
  const options: InferenceSession.SessionOptions = {
    executionProviders: [runtime.executionProvider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Whatever goes wrong is thrown; the runtime's own lines on stderr would only say it twice.
    logSeverityLevel: 4,
  };

  // All lowerings are for the native kernels.
  const lower = lowererOf(runtime, runtime.type === "native" ? lowerings : [], options);

  async function sessionOf(graph: BatchGraph): Promise<Opened> {
    const kept = sessions.get(graph.key);
    if (kept !== undefined) return kept;
    const isTraining = "learningRate" in graph;
    const { bytes, layouts } = isTraining ? await lower(graph.bytes) : { bytes: graph.bytes, layouts: new Map() };
    const opened = { session: await runtime.InferenceSession.create(bytes, options), layouts };
    sessions.set(graph.key, opened);
    return opened;
  }

  return {
    run: (graph, feeds, fetches) =>
      holding(lifeline, async () => {
        const { session } = await sessionOf(graph);
        return session.run(feeds, fetches ?? session.outputNames);
      }),
    layouts: (graph) => holding(lifeline, async () => (await sessionOf(graph)).layouts),
  };
}
