// A federated server: takes the state directory, resumes what it holds, listens, and runs the plan.
import { randomUUID } from "node:crypto";
import { messageOf } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { PerRoundStateCheckpointer, directoryStorage, parametersSha256 } from "@perennial-fl/checkpointer";
import type { Storage } from "@perennial-fl/checkpointer";
import { archiveOf } from "./archive.js";
import type { Archive } from "./archive.js";
import { openAggregator } from "./aggregation/aggregator.js";
import { architectureSha256 } from "./architecture.js";
import type { Durable } from "./engine/types.js";
import type { History } from "./history.js";
import { askForParameters } from "./initial-parameters.js";
import { openFleet } from "./open-fleet.js";
import { openSessionJournal } from "./open-journal.js";
import type { SessionJournal } from "./open-journal.js";
import { planFacts, stopTimer } from "./plan.js";
import type { Plan } from "./plan.js";
import { checkResume, freshDurable, resumedEvent } from "./resume.js";
import type { Begin } from "./resume.js";
import { runEngine } from "./runner.js";
import type { World } from "./runner.js";
import type { ServerEvent } from "./server-event.js";
import { planOf } from "./server-options.js";
import type { ServerOptions } from "./server-options.js";
import { loadServerState, saveServerState } from "./server-state.js";
import type { ServerState } from "./server-state.js";

/** What is left of a session: `finished` is false when it was stopped and can be resumed. */
export interface Outcome {
  readonly finished: boolean;
  readonly run: string;
  readonly round: number;
  readonly history: History;
  readonly parameters: Parameters;
}

/**
 * Runs a federated server to the end of its plan. Throws `storage/locked` if another server has the directory,
 * `plan/mismatch` if the directory holds a run with another plan, `resume/nothing`, `server/address`, and
 * `storage/io` or `checkpoint/save-failed` when the disk fails: the run can then be resumed.
 */
export async function startServer(options: ServerOptions): Promise<Outcome> {
  const { stateDir, observe = () => undefined } = options;
  const plan = planOf(options);
  const storage = options.storage ?? directoryStorage(stateDir, { blobs: "recycled-slots" });
  const lock = await storage.lock();
  try {
    const states = new PerRoundStateCheckpointer(stateDir, {
      storage,
      report: (message: string) => {
        observe({ type: "warning", message });
      },
    });
    const session = await openSessionJournal(storage, {
      durability: options.durability ?? "result",
      ...(options.randomHex && { term: options.randomHex(12) }),
      ...(options.heldBytes !== undefined && { heldBytes: options.heldBytes }),
      report: (message) => {
        observe({ type: "warning", message });
      },
    });
    const { journal } = session;
    try {
      const saved = await loadServerState(states);
      const begin = beginOf(options.initialModel);
      const { resume = "auto" } = options;
      const resumed = checkResume(saved, journal.entries.length, resume, plan, begin, stateDir) ? saved : undefined;
      const archive = options.keepStates && archiveOf(states, storage, options.keepStates);
      return await serve({ ...options, observe }, plan, { states, session, storage, archive }, resumed);
    } finally {
      await journal.close();
    }
  } finally {
    await lock.release();
  }
}

/** Everything durable of a session. */
interface Kept {
  readonly states: PerRoundStateCheckpointer;
  readonly session: SessionJournal;
  readonly storage: Storage;
  readonly archive: Archive | undefined;
}

/** One session over open storage: from meeting the clients to the last commit. */
async function serve(
  options: ServerOptions & { readonly observe: (event: ServerEvent) => void },
  plan: Plan,
  { states, session, storage, archive }: Kept,
  resumed: ServerState | undefined,
): Promise<Outcome> {
  const { observe, initialModel, checkpointers = [], signal, failpoint, evaluate } = options;
  const run = resumed?.durable.run ?? options.randomHex?.(16) ?? randomUUID();
  const report = (message: string) => {
    observe({ type: "warning", message });
  };
  const { journal } = session;
  // Another thread finds results by their directory alone.
  const aggregator = options.storage ? undefined : openAggregator(options.stateDir, journal);
  let fleet = await openFleet(options, journal.openSink, run);
  // A timer, so that the stop takes its place among all other events.
  const abort = () => {
    fleet.wait(stopTimer, 0);
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    if (signal?.aborted) abort();
    let durable = resumed?.durable;
    if (durable === undefined) {
      const { parameters } = beginOf(initialModel);
      const initial = parameters ? { parameters, fleet } : await askForParameters(fleet, report);
      if (initial === undefined) return { finished: false, run, round: 0, history: [], parameters: [] };
      fleet = initial.fleet;
      durable = freshDurable(run, plan, initial.parameters);
    }
    const facts = resumed?.plan ?? planFacts(plan, durable.parameters, beginOf(initialModel).module);
    const save = async (next: Durable) => {
      await saveServerState(states, { durable: next, plan: facts });
      durable = next;
      await archived(next);
    };
    // A copy for later rollbacks: the round counts without it.
    const archived = async (state: Durable) => {
      try {
        await archive?.keep({ durable: state, plan: facts });
      } catch (error) {
        report(`archiving the state of round ${state.round}: ${messageOf(error)}`);
      }
    };
    // The run's name and first model are durable before any client is asked to train them.
    if (resumed === undefined) await save(durable);
    // The last session may have died between the two.
    else await archived(durable);
    const state = await session.replay(durable);
    observe({ type: "started", run, round: durable.round, rounds: plan.numRounds });
    if (resumed) observe(resumedEvent(state));
    const module = initialModel && "graph" in initialModel ? initialModel : undefined;
    const world: World = {
      fleet,
      journal,
      location: storage.location,
      save,
      checkpointers,
      observe,
      ...(module && { module }),
      ...(aggregator && { aggregator }),
      // Whoever decides what is random wants every run to say the same.
      ...(options.randomHex ? {} : { now: () => performance.now() }),
      ...(failpoint && { failpoint }),
      ...(evaluate && { evaluate }),
    };
    const finished = (await runEngine(plan, state, world)) === "finished";
    const { round, parameters, history } = durable;
    const digest = parametersSha256(parameters);
    observe(finished ? { type: "finished", run, round, parametersSha256: digest } : { type: "stopped", run, round });
    return { finished, run, round, history, parameters };
  } finally {
    signal?.removeEventListener("abort", abort);
    await aggregator?.close();
    await fleet.close();
  }
}

function beginOf(model: ServerOptions["initialModel"]): Begin {
  if (model === undefined) return {};
  return "graph" in model ? { parameters: model.parameters, module: architectureSha256(model) } : { parameters: model };
}
