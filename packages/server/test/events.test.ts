// What a server tells of a whole session: every event in its order, with what it says.
import { expect } from "chai";
import { float, float32 } from "@perennial-fl/core";
import type { Connection } from "@perennial-fl/core";
import { memoryStorage } from "@perennial-fl/checkpointer";
import { fedAvg } from "@perennial-fl/strategy";
import { inMemoryFleet } from "@perennial-fl/transport";
import { startServer } from "../src/index.js";
import type { Outcome, ServerEvent } from "../src/index.js";

/** As the protocol carries it: a float. */
const third = Math.fround(1 / 3);

/** Answers with a metric of its own and as many examples as its number. */
async function client(connection: Connection, number: number): Promise<void> {
  for await (const instruction of connection.instructions()) {
    if (instruction.type === "fit") {
      const metrics = { progress: float(number) };
      await connection.reply({ type: "fit", update: [float32([1], [number])], numExamples: number, metrics });
    } else if (instruction.type === "evaluate") {
      const metrics = { accuracy: float(number / 4) };
      await connection.reply({ type: "evaluate", loss: number === 1 ? 1 : third, numExamples: number, metrics });
    } else {
      await connection.close();
    }
  }
}

/** Two rounds with the clients `one` and `three`. */
async function session(): Promise<{ readonly outcome: Outcome; readonly events: readonly ServerEvent[] }> {
  const events: ServerEvent[] = [];
  const all = { minAvailableClients: 2, minFitClients: 2, minEvaluateClients: 2 };
  const outcome = await startServer({
    numRounds: 2,
    strategy: fedAvg(all),
    stateDir: "memory",
    storage: memoryStorage(),
    initialModel: [float32([1], [0])],
    evaluate: ([held], round) => ({ loss: round, metrics: { first: Number(held?.data[0]) } }),
    observe: (event) => events.push(event),
    openFleet: (openSink, run) => {
      const memory = inMemoryFleet({ openSink, run });
      void client(memory.connect("one"), 1);
      void client(memory.connect("three"), 3);
      return memory.fleet;
    },
  });
  return { outcome, events };
}

describe("the events of a session", () => {
  it("tell of every client that joins, every answer that counts, every measurement and every commit", async () => {
    const { events } = await session();
    const joined = events.flatMap((event) => (event.type === "client-joined" ? [event.client] : []));
    expect(joined).to.have.members(["one", "three"]);
    for (const round of [1, 2]) {
      const accepted = events.filter((event) => event.type === "result-accepted" && event.round === round);
      expect(accepted).to.have.deep.members([
        { type: "result-accepted", round, phase: "fit", client: "one", numExamples: 1 },
        { type: "result-accepted", round, phase: "fit", client: "three", numExamples: 3 },
        { type: "result-accepted", round, phase: "evaluate", client: "one", numExamples: 1, loss: 1 },
        { type: "result-accepted", round, phase: "evaluate", client: "three", numExamples: 3, loss: third },
      ]);
    }
    expect(events.filter(({ type }) => type === "model-measured")).to.deep.equal(
      [1, 2].map((round) => ({ type: "model-measured", round, loss: round, metrics: { first: 2.5 } })),
    );
    expect(events.flatMap((event) => (event.type === "round-committed" ? [event.round] : []))).to.deep.equal([1, 2]);
  });

  it("and the history has the metrics of both phases, weighted by examples", async () => {
    const { outcome } = await session();
    expect(outcome.history).to.have.length(2);
    for (const { fit, evaluate, loss } of outcome.history) {
      expect(fit.metrics).to.deep.equal({ progress: (1 + 3 * 3) / 4 });
      expect(evaluate.metrics).to.deep.equal({ accuracy: (0.25 + 3 * 0.75) / 4 });
      expect(loss).to.equal((1 + 3 * third) / 4);
    }
  });
});
