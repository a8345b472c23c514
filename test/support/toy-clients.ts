// Clients with a little arithmetic for training: different for every client and round, and sensitive to the order of
// summation, so that a mixed-up, lost, repeated or reordered update changes the model's bits.
import { float32, random } from "@perennial-fl/core";
import type { Parameters, RequestKey } from "@perennial-fl/core";
import type { ScriptedClient } from "./scripted-fleet.js";

export function toyClient(id: string) {
  return {
    id,
    fit(parameters: Parameters, key: RequestKey) {
      const draw = random("toy", id, key.round);
      // Elements from 1e-12 to 1e12: a float64 sum of these depends on its order.
      const move = (x: number) => x + draw.normal() * 10 ** (draw.below(25) - 12);
      return { parameters: mapped(parameters, move), numExamples: 1 + draw.below(1000) };
    },
    evaluate(parameters: Parameters, key: RequestKey) {
      const draw = random("toy loss", id, key.round);
      const size = Math.abs(parameters[0]?.data[0] as number);
      // Lowest in the second round, so that "best" and "latest" differ, and a little different for every model.
      return { loss: 2 * Math.abs(key.round - 2) + draw.float() + size / (1 + size), numExamples: 1 + draw.below(100) };
    },
  } satisfies ScriptedClient;
}

export function toyClients(count: number): ScriptedClient[] {
  return Array.from({ length: count }, (_, i) => toyClient(`client-${i}`));
}

function mapped(parameters: Parameters, f: (x: number) => number): Parameters {
  return parameters.map(({ shape, data }) => float32(shape, Float32Array.from(data as Float32Array, f)));
}
