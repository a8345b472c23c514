// A federation of one client over a wire that breaks: its model is longer than a message may be.
import { parametersSha256 } from "@perennial-fl/checkpointer";
import { startClient } from "@perennial-fl/client";
import type { ClientEvent } from "@perennial-fl/client";
import { float32 } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { PartialModel, connect, listenStreaming } from "@perennial-fl/transport";
import type { ConnectOptions } from "@perennial-fl/transport";
import { temporaryDirectory } from "../support/temporary.js";
import { breakingWire } from "./breaking-wire.js";
import type { Wire } from "./breaking-wire.js";

export interface Setting {
  readonly initialModel: Parameters;
  readonly numRounds: number;
  readonly lengths: Pick<ConnectOptions, "chunkBytes" | "chunkedFromBytes" | "maxMessageBytes">;
  readonly breaksAt: readonly Partial<Wire["passed"]>[];
  /** Of a run to go on with. */
  readonly directories?: Result["directories"];
}

export interface Result {
  readonly parameters: Parameters;
  readonly sha256: string;
  readonly passed: Wire["passed"];
  readonly breaks: number;
  readonly events: readonly ClientEvent["type"][];
  /** How often the client trained. */
  readonly trained: number;
  readonly directories: { readonly server: string; readonly client: string };
}

/** Runs it to its end. Each fit adds to every element its index in the tensor and the round. */
export async function federationOverBreakingWire({
  initialModel,
  numRounds,
  lengths,
  breaksAt,
  directories = { server: temporaryDirectory(), client: temporaryDirectory() },
}: Setting): Promise<Result> {
  const events: ClientEvent["type"][] = [];
  let trained = 0;
  let wire: Wire | undefined;
  let life: Promise<void> | undefined;
  try {
    const outcome = await startServer({
      stateDir: directories.server,
      numRounds,
      strategy: fedAvg({ minFitClients: 1, minAvailableClients: 1, minEvaluateClients: 1 }),
      initialModel,
      openFleet: async (openSink, run) => {
        const fleet = await listenStreaming({ address: "127.0.0.1:0", openSink, run, ...lengths });
        wire = await breakingWire(fleet.address, breaksAt);
        const partialModel = new PartialModel();
        const serverAddress = wire.address;
        life = startClient({
          clientId: "ann",
          stateDir: directories.client,
          backoff: { firstMs: 1, maxMs: 1 },
          connect: (id, signal) => connect({ serverAddress, clientId: String(id), signal, partialModel, ...lengths }),
          observe: ({ type }) => events.push(type),
          client: {
            fit(model, _config, { key }) {
              trained++;
              return {
                parameters: model.map(({ shape, data }) => moved(shape, data as Float32Array, key?.round ?? 0)),
                numExamples: 1,
              };
            },
            evaluate: ([first]) => ({ loss: Number(first?.data[1]), numExamples: 1 }),
          },
        });
        return fleet;
      },
    });
    await life;
    const { parameters } = outcome;
    const passed = wire?.passed ?? { toServer: 0, toClient: 0 };
    return {
      parameters,
      sha256: parametersSha256(parameters),
      passed,
      breaks: wire?.breaks ?? 0,
      events,
      trained,
      directories,
    };
  } finally {
    wire?.close();
  }
}

function moved(shape: readonly number[], data: Float32Array, round: number) {
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) result[i] = (data[i] as number) + (i % 1000) + round;
  return float32(shape, result);
}
