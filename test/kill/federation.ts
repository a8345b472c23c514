// The federation of the kill suite: its plan, its clients, and the bytes that it ends with when nobody is killed.
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  parametersSha256,
} from "@perennial-fl/checkpointer";
import { isFederationError } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import { linear, relu, sequential } from "@perennial-fl/module";
import { startServer } from "@perennial-fl/server";
import type { ServerEvent, ServerOptions } from "@perennial-fl/server";
import { fedAdam } from "@perennial-fl/strategy";
import type { ChunkOptions } from "@perennial-fl/transport";
import { scriptedFleet } from "../support/scripted-fleet.js";
import type { ScriptedClient } from "../support/scripted-fleet.js";
import { temporaryDirectory } from "../support/temporary.js";
import { toyClient } from "../support/toy-clients.js";

export const clientIds = ["ada", "grace", "mary"] as const;

const checkpointers = (stateDir: string) => ({
  best: new BestLossTorchModuleCheckpointer(stateDir, "best.onnx"),
  latest: new LatestTorchModuleCheckpointer(stateDir, "latest.onnx"),
});

/** What a server is started with, wherever it meets its clients. */
export function serverOptions(stateDir: string, numRounds: number): ServerOptions {
  const all = clientIds.length;
  return {
    stateDir,
    numRounds,
    strategy: fedAdam({ minFitClients: all, minEvaluateClients: all, minAvailableClients: all }),
    initialModel: sequential([linear(6, 4), relu(), linear(4, 3)], { input: [6], seed: 1 }),
    seed: 5,
    checkpointers: Object.values(checkpointers(stateDir)),
  };
}

/** In two sessions of three models or updates come in several chunks each, so that kills land between them. */
export function chunksOfSession(): ChunkOptions {
  return process.pid % 3 === 0 ? {} : { chunkBytes: 100, chunkedFromBytes: 0 };
}

/** A toy client whose updates depend on how often it has trained: a forgotten or repeated training shows in the bytes. */
export interface RememberingClient extends ScriptedClient {
  save(): SavedState;
  load(state: SavedState): void;
}

export function rememberingClient(id: string): RememberingClient {
  let trained = 0;
  const toy = (): ScriptedClient => toyClient(`${id} after ${trained}`);
  return {
    id,
    fit(parameters, key) {
      const result = toy().fit(parameters, key);
      trained++;
      return result;
    },
    evaluate: (parameters, key) => toy().evaluate(parameters, key),
    save: () => ({ trained }),
    load(state) {
      trained = state["trained"] as number;
    },
  };
}

/** `parametersSha256` of everything that a run leaves behind. */
export interface Digests {
  /** The global model after every committed round. */
  readonly rounds: ReadonlyMap<number, string>;
  readonly best: string | undefined;
  readonly latest: string | undefined;
}

/** The digests of the module checkpoints that are there. Throws `checkpoint/corrupt` for a damaged one. */
export async function checkpointDigests(stateDir: string): Promise<Omit<Digests, "rounds">> {
  const digest = async (name: "best" | "latest"): Promise<string | undefined> => {
    try {
      return parametersSha256((await checkpointers(stateDir)[name].loadCheckpoint()).parameters);
    } catch (error) {
      if (isFederationError(error, "checkpoint/missing")) return undefined;
      throw error;
    }
  };
  return { best: await digest("best"), latest: await digest("latest") };
}

/** A run without interruption, in this process. */
export async function uninterrupted(numRounds: number): Promise<Digests> {
  const stateDir = temporaryDirectory();
  const rounds = new Map<number, string>();
  await startServer({
    ...serverOptions(stateDir, numRounds),
    openFleet: (openSink) => scriptedFleet({ clients: clientIds.map(rememberingClient), openSink, arrival: 1 }),
    observe: (event: ServerEvent) => {
      if (event.type === "round-committed") rounds.set(event.round, event.parametersSha256);
    },
  });
  return { rounds, ...(await checkpointDigests(stateDir)) };
}
