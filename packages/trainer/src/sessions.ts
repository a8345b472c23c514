// Inference sessions, made once for the graphs of a call: making one costs as much as many steps.
import { isDeepStrictEqual } from "node:util";
import { isFederationError } from "@perennial-fl/core";
import { OnnxModule, unite } from "@perennial-fl/module";
import type { Graph, United } from "@perennial-fl/module";
import type { InferenceSession } from "onnxruntime-node";
import { holding } from "./lifeline.js";
import { lowererOf, plain } from "./lowering.js";
import type { Form } from "./lowering.js";
import type { BatchGraph, TrainingGraph, WorkerData } from "./protocol.js";
import { recent } from "./recent.js";
import type { Runtime } from "./runtime.js";
import { openWorkspace } from "./workspace.js";
import type { Workspace } from "./workspace.js";
import { toOrt } from "./tensors.js";

/** Training and evaluation on some datasets. */
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

/** One graph in a session, which may run another graph too. */
interface Opened {
  readonly session: InferenceSession;
  readonly form: Form;
  /** What the session is fed to be this graph and not the other. */
  readonly constants: Tensors;
}

/** By the graph's key. */
type Views = ReadonlyMap<string, Opened>;

interface Formed {
  readonly bytes: Uint8Array;
  readonly form: Form;
}

export function openSessions(runtime: Runtime, { threads, lowerings, lifeline }: WorkerData): Sessions {
  const sessions = recent<string, Views>(sessionsKept, ([...views]) => void views[0]?.[1].session.release());
  /** Pairs that no single session can serve. */
  const apart = new Set<string>();
  const options: InferenceSession.SessionOptions = {
    executionProviders: [runtime.executionProvider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // A plan for all memory of a run in one piece made no step faster, and the run of a transformer twice as large.
    enableMemPattern: false,
    // Whatever goes wrong is thrown; the runtime's own lines on stderr would only say it twice.
    logSeverityLevel: 4,
  };

  // All lowerings are for the native kernels.
  const lower = lowererOf(runtime, runtime.type === "native" ? lowerings : [], options);

  const formed = async (graph: BatchGraph): Promise<Formed> =>
    "learningRate" in graph ? lower(graph as TrainingGraph) : { bytes: graph.bytes, form: plain };

  async function sessionOf(graph: BatchGraph): Promise<Opened> {
    const { key, sibling } = graph;
    const pair = [key, ...(sibling === undefined ? [] : [sibling.key])].sort().join(" and ");
    const wanted = apart.has(pair) ? key : pair;
    const kept = sessions.get(wanted)?.get(key);
    if (kept !== undefined) return kept;
    const own = await formed(graph);
    const other = sibling === undefined || wanted === key ? undefined : await formed(sibling);
    const united = other && unitedForms(own, other);
    if (sibling === undefined || united === undefined) {
      if (sibling !== undefined) apart.add(pair);
      const session = await runtime.InferenceSession.create(own.bytes, options);
      const opened = { session, form: own.form, constants: {} };
      sessions.set(key, new Map([[key, opened]]));
      return opened;
    }
    const session = await runtime.InferenceSession.create(OnnxModule.fromGraph(united.graph).toBytes(), options);
    const view = (which: "first" | "second"): Opened => {
      const constants = united.parted.map((parted) => [parted.name, toOrt(runtime, parted[which])] as const);
      return { session, form: own.form, constants: Object.fromEntries(constants) };
    };
    const opened = view("first");
    sessions.set(
      pair,
      new Map([
        [key, opened],
        [sibling.key, view("second")],
      ]),
    );
    return opened;
  }

  return {
    run: (graph, feeds, fetches) =>
      holding(lifeline, async () => {
        const { session, constants } = await sessionOf(graph);
        return session.run({ ...feeds, ...constants }, fetches ?? session.outputNames);
      }),
    form: (graph) => holding(lifeline, async () => (await sessionOf(graph)).form),
    workspace: openWorkspace(),
  };
}

/** Both graphs in one, if whoever runs them need not know which it is. */
function unitedForms(own: Formed, other: Formed): United | undefined {
  if (!isDeepStrictEqual(own.form, other.form)) return undefined;
  const graphOf = ({ bytes }: Formed): Graph => OnnxModule.fromBytes(bytes).graph;
  try {
    return unite(graphOf(own), graphOf(other));
  } catch (error) {
    // What cannot be read is the runtime's to refuse, in its own words.
    if (isFederationError(error)) return undefined;
    throw error;
  }
}
