// What interop cases share: a server of ours in this process, and clients with a little arithmetic for training.
import { float32 } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import type { Client } from "@perennial-fl/client";
import { startServer } from "@perennial-fl/server";
import type { Outcome, ServerEvent, ServerOptions } from "@perennial-fl/server";
import { temporaryDirectory } from "../support/temporary.js";

export type Served = Partial<ServerOptions> & Pick<ServerOptions, "numRounds" | "strategy">;

/** A server on a free port, and the address it listens on. */
export async function serve(options: Served) {
  const events: ServerEvent[] = [];
  let listening: (address: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => (listening = resolve));
  const outcome: Promise<Outcome> = startServer({
    address: "127.0.0.1:0",
    stateDir: temporaryDirectory(),
    observe: (event) => events.push(event),
    onListening: (bound) => {
      listening(bound);
    },
    ...options,
  });
  outcome.catch(() => undefined);
  return { address: await address, outcome, events };
}

/** A client that adds an amount to every element. */
export function adding(amount: number, numExamples: number, initial?: Parameters): Client {
  return {
    ...(initial && { getParameters: () => initial }),
    fit: (parameters) => ({
      parameters: parameters.map(({ shape, data }) =>
        float32(
          shape,
          Float32Array.from(data as Float32Array, (x) => x + amount),
        ),
      ),
      numExamples,
      metrics: {},
    }),
    evaluate: (parameters) => ({ loss: Number(parameters[0]?.data[0]), numExamples, metrics: { accuracy: 0.75 } }),
  };
}

export const start: Parameters = [float32([2, 2], [0, 0, 0, 0]), float32([3], [0, 0, 0])];

/** The elements, tensor by tensor. */
export const values = (parameters: Parameters): number[][] =>
  parameters.map(({ data }) => Array.from(data as Float32Array));
