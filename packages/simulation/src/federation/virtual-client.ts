// A client whose training is a little arithmetic and takes virtual time. Its updates depend on how often it has
// trained, so that a forgotten or repeated training shows in the bytes.
import { float32, random } from "@perennial-fl/core";
import type { Parameters, RequestKey, SavedState } from "@perennial-fl/core";
import type { Client } from "@perennial-fl/client";
import type { Unwillingness } from "../weather/weather.js";

/** An update that a client has made. */
export interface Trained {
  readonly client: string;
  readonly key: RequestKey;
  /** What it was given. */
  readonly given: Parameters;
  readonly update: Parameters;
  readonly numExamples: number;
}

export interface VirtualClientOptions {
  readonly id: string;
  /** Takes the time that training takes; longer when the client is slow. */
  readonly work: (slow: boolean) => Promise<void>;
  readonly mood: () => Unwillingness | undefined;
  readonly trained: (made: Trained) => void;
}

export function virtualClient({ id, work, mood, trained }: VirtualClientOptions): Client {
  let memory: SavedState = { fits: 0 };
  return {
    async fit(given, _config, { key }) {
      if (key === undefined) throw new Error("the server is one of ours and names its questions");
      const how = mood();
      if (how === "refuses") throw new Error("not today");
      await work(how === "slow");
      const draw = random("update", id, key.round, memory["fits"] as number);
      const move = (x: number): number => x + draw.normal() * 10 ** (draw.below(25) - 12);
      const update = given.map(({ shape, data }) => float32(shape, Float32Array.from(data as Float32Array, move)));
      const numExamples = 1 + draw.below(1_000_000);
      memory = { fits: (memory["fits"] as number) + 1 };
      if (how === "nan") return { parameters: update.map(({ shape }) => float32(shape, nan(shape))), numExamples };
      if (how === "shape") return { parameters: update.slice(1), numExamples };
      trained({ client: id, key, given, update, numExamples });
      return { parameters: update, numExamples };
    },
    async evaluate(given, _config, { key }) {
      await work(false);
      const draw = random("loss", id, key?.round ?? 0);
      return { loss: Math.abs(given[0]?.data[0] as number) + draw.float(), numExamples: 1 + draw.below(100) };
    },
    save: () => memory,
    load: (state) => {
      memory = state;
    },
  };
}

function nan(shape: readonly number[]): Float32Array {
  return new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(NaN);
}
