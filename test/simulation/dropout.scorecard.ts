// For the scorecard: rounds in which clients drop out. 13 are asked for the 10 that are needed, as Google's over-selection
// (Bonawitz et al. 2019), and 7 make a round.
import { memoryStorage, parametersSha256 } from "@perennial-fl/checkpointer";
import { float32, random } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { Outcome } from "@perennial-fl/server";
import { fedAvg } from "@perennial-fl/strategy";
import { expect } from "chai";
import { figure } from "../support/figures.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { toyClients } from "../support/toy-clients.js";

const rounds = 1000;
const quorum = 7;

interface Dropped {
  readonly outcome: Outcome;
  /** The model's digest after every round, from round 0. */
  readonly digests: readonly string[];
}

/** A run in which each client that is asked to train drops out with this probability. */
async function run(dropout: number, minCompletion: number, numRounds: number): Promise<Dropped> {
  const draw = random("dropout", dropout);
  const clients = toyClients(20).map((client) => ({
    ...client,
    fit: (...given: Parameters<typeof client.fit>) => (draw.float() < dropout ? "gone" : client.fit(...given)),
  }));
  const initialModel = [float32([4], [1, 2, 3, 4])];
  const digests = [parametersSha256(initialModel)];
  const outcome = await startServer({
    stateDir: "nowhere",
    storage: memoryStorage(),
    numRounds,
    initialModel,
    strategy: fedAvg({
      fractionFit: 0.5,
      fractionEvaluate: 0,
      minAvailableClients: 20,
      overSelection: 1.3,
      minCompletion,
    }),
    maxSkippedRounds: numRounds,
    openFleet: (openSink) => scriptedFleet({ clients, openSink, arrival: 1 }),
    observe: (event) => {
      if (event.type === "round-committed") digests.push(event.parametersSha256);
    },
  });
  return { outcome, digests };
}

const counted = ({ outcome }: Dropped): number =>
  outcome.history.filter((record) => record.outcome === "committed").length;

describe("clients that drop out", () => {
  it("at 10 % leave 99.9 % of the rounds whole", async function () {
    this.timeout(600_000);
    const dropped = await run(0.1, quorum / 10, rounds);
    figure("dropout", { dropout: 0.1, rounds, committed: counted(dropped) });
    expect(dropped.outcome.history).to.have.length(rounds);
    expect(counted(dropped)).to.be.at.least(0.999 * rounds);
  });

  it("at 50 % leave the run to its end, and every round below the quorum leaves the model as it was", async function () {
    this.timeout(600_000);
    const any = await run(0.5, 0, 200);
    expect(counted(any)).to.equal(200);
    const dropped = await run(0.5, quorum / 10, 200);
    figure("dropout", { dropout: 0.5, rounds: 200, committed: counted(dropped) });
    expect(dropped.outcome.history).to.have.length(200);
    expect(counted(dropped)).to.be.within(50, 150);
    for (const [at, { outcome, fit }] of dropped.outcome.history.entries()) {
      expect(outcome === "skipped", `round ${at + 1}`).to.equal(fit.answered.length === 0);
      expect(dropped.digests[at + 1] === dropped.digests[at], `round ${at + 1}`).to.equal(outcome === "skipped");
    }
  });
});
