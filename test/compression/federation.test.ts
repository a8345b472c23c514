// A federation whose updates travel as differences: through the real client and server, killed and resumed.
import { memoryStorage, parametersSha256 } from "@perennial-fl/checkpointer";
import type { Storage } from "@perennial-fl/checkpointer";
import { startClient } from "@perennial-fl/client";
import type { Client } from "@perennial-fl/client";
import { bytesOf, float32, random } from "@perennial-fl/core";
import type { DeltaPrecision, Parameters } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import { compressed, fedAvg } from "@perennial-fl/strategy";
import { inMemoryFleet } from "@perennial-fl/transport";
import { expect } from "chai";

const size = 400;
const rounds = 5;
const ids = ["ada", "grace"] as const;

/** Each element on its way to a number of its own, in small steps: what rounding loses would add up. */
function walker(id: string): Client {
  return {
    fit(parameters, _config, { key }) {
      const draw = random("walk", id, key?.round ?? 0);
      const next = (parameters[0]?.data as Float32Array).map((x, i) => x + 0.01 * (i % 7) + 0.001 * draw.normal());
      return { parameters: [float32([size], next)], numExamples: id.length };
    },
    evaluate: () => ({ loss: 0, numExamples: 1 }),
  };
}

class Cut extends Error {}

interface Run {
  readonly parameters: Parameters;
  /** Of every fit answer that a client gave. */
  readonly bytes: ReadonlySet<number>;
  readonly attempts: number;
}

/** Server and clients over storages of their own; the server dies after so many acceptances, and all start again. */
async function federation(precision: DeltaPrecision | undefined, cuts: readonly number[] = []): Promise<Run> {
  const storages = new Map<string, Storage>(["server", ...ids].map((name) => [name, memoryStorage()]));
  const all = { minAvailableClients: 2, minFitClients: 2, fractionEvaluate: 0 };
  const strategy = precision === undefined ? fedAvg(all) : compressed(fedAvg(all), precision);
  const bytes = new Set<number>();
  for (let attempt = 0; ; attempt++) {
    let accepted = 0;
    const stop = new AbortController();
    const clients: Promise<void>[] = [];
    try {
      const { parameters } = await startServer({
        stateDir: "memory",
        storage: storages.get("server") as Storage,
        numRounds: rounds,
        strategy,
        initialModel: [float32([size], new Float32Array(size))],
        failpoint: (point) => {
          if (point === "after accept" && ++accepted === cuts[attempt]) throw new Cut();
        },
        openFleet: (openSink, run) => {
          const memory = inMemoryFleet({ openSink, run });
          for (const id of ids) {
            const connection = memory.connect(id);
            const reply = connection.reply.bind(connection);
            connection.reply = (given) => {
              if (given.type === "fit")
                bytes.add(given.update.reduce((sum, held) => sum + bytesOf(held).byteLength, 0));
              return reply(given);
            };
            const served = Object.assign(connection, { run });
            const storage = storages.get(id) as Storage;
            const options = { clientId: id, storage, client: walker(id), connect: () => served, signal: stop.signal };
            clients.push(startClient({ ...options, backoff: { giveUpAfterMs: 1 } }).catch(() => undefined));
          }
          return memory.fleet;
        },
      });
      await Promise.all(clients);
      return { parameters, bytes, attempts: attempt + 1 };
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      stop.abort();
      await Promise.all(clients);
    }
  }
}

const farthest = (a: Parameters, b: Parameters): number =>
  (a[0]?.data as Float32Array).reduce((most, x, i) => Math.max(most, Math.abs(x - Number(b[0]?.data[i]))), 0);

describe("updates as differences", () => {
  for (const [precision, share, bound] of [
    ["float16", 2 * size, 2e-4],
    ["int8", size + 4, 2e-3],
  ] as const) {
    it(`as ${precision} are so much shorter, and the model ends within ${bound} of that of whole ones`, async () => {
      const [whole, short] = [await federation(undefined), await federation(precision)];
      expect([...whole.bytes]).to.deep.equal([4 * size]);
      expect([...short.bytes]).to.deep.equal([share]);
      expect(farthest(short.parameters, whole.parameters)).to.be.below(bound);
    });

    it(`as ${precision} end in the same bytes when everyone dies and comes back, in any round`, async () => {
      const whole = await federation(precision);
      for (const cuts of [[1], [2], [3, 2], [5, 1, 1]]) {
        const killed = await federation(precision, cuts);
        expect(killed.attempts).to.equal(cuts.length + 1);
        expect(parametersSha256(killed.parameters)).to.equal(parametersSha256(whole.parameters));
      }
    });
  }
});
