// The client whose store is kept as a golden file: it has answered two rounds, and was cut inside the third training.
import { startClient } from "@perennial-fl/client";
import type { ClientContext, ServedConnection } from "@perennial-fl/client";
import { float, float32 } from "@perennial-fl/core";
import type { Instruction, Parameters, Reply, SavedState } from "@perennial-fl/core";
import { linear, sequential } from "@perennial-fl/module";
import { Cut } from "./federation.js";

export const clientId = "golden";

/** What the golden module checkpoints hold. */
export const goldenModule = sequential([linear(3, 2)], { input: [3], seed: 21 });

export interface ClientLife {
  readonly replies: readonly Reply<Parameters>[];
  /** The rounds that it trained for, and what it found of each training. */
  readonly trained: readonly { readonly round: number; readonly found: SavedState | undefined }[];
  readonly stateAtStart: SavedState | undefined;
}

const question = (round: number): Instruction => ({
  type: "fit",
  key: { run: "golden-run", round, attempt: 1, phase: "fit" },
  parameters: [float32([2], [round, 0.5])],
  config: {},
});

/** Half-done work, of every type that a state can hold. */
export const halfDone: SavedState = {
  steps: 7,
  big: 2n ** 40n,
  cursor: { epoch: 1, words: ["a", null, true] },
  bytes: Uint8Array.of(1, 2, 3),
  momentum: float32([2], [0.25, -4]),
};

/** One process of the client over a directory: is asked for these rounds, keeps half-done work, and may be cut then. */
export async function clientLife(stateDir: string, rounds: readonly number[], cutIn?: number): Promise<ClientLife> {
  const replies: Reply<Parameters>[] = [];
  const trained: { round: number; found: SavedState | undefined }[] = [];
  let sum = 0;
  let stateAtStart: SavedState | undefined;
  const connection: ServedConnection = {
    run: "golden-run",
    // eslint-disable-next-line @typescript-eslint/require-await -- a connection's instructions arrive in time
    async *instructions() {
      yield* rounds.map(question);
      yield { type: "reconnect", seconds: 0 };
    },
    reply(reply) {
      replies.push(reply);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const stop = new AbortController();
  const fit = async (parameters: Parameters, _config: unknown, { key, progress }: ClientContext) => {
    const round = key?.round ?? NaN;
    trained.push({ round, found: progress?.kept });
    await progress?.keep(halfDone);
    if (round === cutIn) {
      stop.abort(new Cut());
      throw new Cut();
    }
    sum += Number(parameters[0]?.data[0]);
    return { parameters: [float32([2], [sum, 1])], numExamples: 10 * round, metrics: { loss: float(1 / round) } };
  };
  await startClient({
    clientId,
    stateDir,
    connect: () => connection,
    signal: stop.signal,
    client: {
      fit,
      evaluate: () => ({ loss: 0, numExamples: 1 }),
      save: () => ({ sum }),
      load(state) {
        stateAtStart = state;
        sum = state["sum"] as number;
      },
    },
  });
  return { replies, trained, stateAtStart };
}
