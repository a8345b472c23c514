// The server of the large round, as a process of its own, so that its memory is its own.
import { float32 } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { obeyParent, say } from "../kill/programs.js";
import { peakBytes } from "../support/peak-memory.js";
import { blockElements, clients, elements, meanOf, rounds } from "./big-model.js";

/** What it says: its address, then events, and at last how many elements are wrong and the most that it held, in bytes. */
export type Said =
  | { readonly type: "listening"; readonly address: string }
  | ServerEvent
  | { readonly type: "over"; readonly wrong: number; readonly peak: number };

const { stateDir } = obeyParent() as { readonly stateDir: string };
const tell = (said: Said): void => {
  say(said);
};
const { parameters } = await startServer({
  address: "127.0.0.1:0",
  onListening: (address) => {
    tell({ type: "listening", address });
  },
  observe: tell,
  numRounds: rounds,
  strategy: fedAvg({ minAvailableClients: clients, minFitClients: clients, fractionEvaluate: 0 }),
  initialModel: [float32([elements], new Float32Array(elements))],
  stateDir,
});
const held = parameters[0]?.data as Float32Array;
const wrong = held.reduce((sum, x, i) => sum + Number(x !== meanOf(rounds, Math.floor(i / blockElements))), 0);
tell({ type: "over", wrong, peak: peakBytes() });
