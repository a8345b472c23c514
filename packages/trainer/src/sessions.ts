// Inference sessions, made once per graph and batch size: making one costs as much as many steps.
import type { InferenceSession } from "onnxruntime-node";
import { holding } from "./lifeline.js";
import { lowererOf, plain } from "./lowering.js";
import type { Form } from "./lowering.js";
import type { BatchGraph, TrainingGraph, WorkerData } from "./protocol.js";
import { recent } from "./recent.js";
import type { Runtime } from "./runtime.js";
import { openWorkspace } from "./workspace.js";
import type { Workspace } from "./workspace.js";

/** Full and partial batches of training and evaluation, for two datasets. */
const sessionsKept = 8;

type Tensors = InferenceSession.FeedsType;

export interface Sessions {
  /** Runs a graph; `fetches` names the outputs wanted (all without it) and may lend them memory. */
  run(graph: BatchGraph, feeds: Tensors, fetches?: InferenceSession.FetchesType): Promise<Tensors>;
  /** How {@link Sessions.run} takes and gives the values that a train step carries; the same object from run to run. */
  form(graph: TrainingGraph): Promise<Form>;
  /** What updates work in. */
  readonly workspace: Workspace;
}

interface Opened {
  readonly session: InferenceSession;
  readonly form: Form;
}

export function openSessions(runtime: Runtime, { threads, lowerings, lifeline }: WorkerData): Sessions {
  const sessions = recent<string, Opened>(sessionsKept, ({ session }) => void session.release());
  const options: InferenceSession.SessionOptions = {
    executionProviders: [runtime.executionProvider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // A plan for all memory of a run in one piece made no step faster and a ResNet-18's a third larger.
    enableMemPattern: false,
    // Whatever goes wrong is thrown; the runtime's own lines on stderr would only say it twice.
    logSeverityLevel: 4,
  };

  // All lowerings are for the native kernels.
  const lower = lowererOf(runtime, runtime.type === "native" ? lowerings : [], options);

  async function sessionOf(graph: BatchGraph): Promise<Opened> {
    const kept = sessions.get(graph.key);
    if (kept !== undefined) return kept;
    const { bytes, form } =
      "learningRate" in graph ? await lower(graph as TrainingGraph) : { bytes: graph.bytes, form: plain };
    const opened = { session: await runtime.InferenceSession.create(bytes, options), form };
    sessions.set(graph.key, opened);
    return opened;
  }

  return {
    run: (graph, feeds, fetches) =>
      holding(lifeline, async () => {
        const { session } = await sessionOf(graph);
        return session.run(feeds, fetches ?? session.outputNames);
      }),
    form: (graph) => holding(lifeline, async () => (await sessionOf(graph)).form),
    workspace: openWorkspace(),
  };
}
