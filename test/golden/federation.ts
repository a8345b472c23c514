// The federation whose state directories are kept as golden files: small, seeded, and cut in the middle of a round.
import { BestLossTorchModuleCheckpointer, LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { Retention } from "@perennial-fl/checkpointer";
import { linear, relu, sequential } from "@perennial-fl/module";
import { startServer } from "@perennial-fl/server";
import type { Outcome, ServerEvent } from "@perennial-fl/server";
import { fedAdam } from "@perennial-fl/strategy";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { toyClients } from "../support/toy-clients.js";

/** The server is killed here. */
export class Cut extends Error {}

/** The acceptances after which the golden directories were left: three in round 1, one and a half phases in round 2. */
export const cutAfter = 8;

export interface Watch {
  /** Dies right after so many acceptances. */
  readonly cutAfter?: number;
  readonly observe?: (event: ServerEvent) => void;
  readonly keepStates?: Retention;
  /** Told of every question, as `ROUND ATTEMPT PHASE CLIENT`. */
  readonly onAsked?: (question: string) => void;
}

/** Runs the federation over a directory until it is finished or cut. Its outcome depends on nothing but this file. */
export function federation(stateDir: string, watch: Watch = {}): Promise<Outcome> {
  const { cutAfter, observe = () => undefined, keepStates, onAsked } = watch;
  let accepted = 0;
  return startServer({
    numRounds: 3,
    strategy: fedAdam({ minAvailableClients: 3 }),
    initialModel: sequential([linear(3, 4), relu(), linear(4, 2)], { input: [3], seed: 7 }),
    stateDir,
    seed: 11,
    checkpointers: [
      new BestLossTorchModuleCheckpointer(stateDir, "best.onnx"),
      new LatestTorchModuleCheckpointer(stateDir, "latest.onnx"),
    ],
    observe,
    ...(keepStates && { keepStates }),
    openFleet: (openSink) =>
      scriptedFleet({
        clients: toyClients(3),
        openSink,
        arrival: 1,
        onAsked: (client, { round, attempt, phase }) => onAsked?.(`${round} ${attempt} ${phase} ${client}`),
      }),
    failpoint: (point) => {
      if (point === "after accept" && ++accepted === cutAfter) throw new Cut();
    },
  });
}
