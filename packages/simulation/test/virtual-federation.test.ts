// Virtual clients in real time: all of them take part, few at once, and one that fails is told of.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStorage, parametersSha256 } from "@perennial-fl/checkpointer";
import type { Client } from "@perennial-fl/client";
import { float32 } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import { runVirtualFederation } from "@perennial-fl/simulation";
import type { VirtualFederationOptions, VirtualParticipant } from "@perennial-fl/simulation";
import { fedAvg } from "@perennial-fl/strategy";
import { expect } from "chai";

const moved = (parameters: Parameters, by: number): Parameters =>
  parameters.map(({ shape, data }) =>
    float32(
      shape,
      Float32Array.from(data as Float32Array, (x) => x / 2 + by),
    ),
  );

/** Remembers how many of its kind worked at one time. */
function workers(count: number): { readonly participants: VirtualParticipant[]; readonly most: () => number } {
  let [now, most] = [0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    now--;
  };
  const participants = Array.from({ length: count }, (_, at): VirtualParticipant => ({
    id: `client-${at}`,
    client: {
      async fit(parameters) {
        await work();
        return { parameters: moved(parameters, at + 1), numExamples: at + 1 };
      },
      async evaluate() {
        await work();
        return { loss: at, numExamples: 1 };
      },
    },
  }));
  return { participants, most: () => most };
}

const optionsFor = (participants: readonly VirtualParticipant[]): VirtualFederationOptions => ({
  participants,
  numRounds: 2,
  strategy: fedAvg({ minAvailableClients: participants.length, minFitClients: participants.length }),
  initialModel: [float32([2], [1, -1])],
  stateDir: "nowhere",
  storage: memoryStorage(),
});

async function failureOf(running: Promise<unknown>): Promise<unknown> {
  try {
    return await running;
  } catch (error) {
    return error;
  }
}

describe("a virtual federation", () => {
  it("lets everyone take part, as many at once as it may, and ends with the same bytes however many that are", async () => {
    const digests = [];
    for (const atOnce of [1, 3, 12]) {
      const { participants, most } = workers(12);
      const outcome = await runVirtualFederation({ ...optionsFor(participants), atOnce });
      expect(outcome.finished).to.equal(true);
      expect(outcome.history.map(({ fit }) => fit.answered.length)).to.deep.equal([12, 12]);
      expect(most()).to.be.at.most(atOnce);
      digests.push(parametersSha256(outcome.parameters));
    }
    expect(new Set(digests).size).to.equal(1);
  });

  it("gives every client a directory of its own where it is asked to", async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "perennial-virtual-"));
    try {
      const asked: string[] = [];
      const [first, second] = workers(2).participants as [VirtualParticipant, VirtualParticipant];
      await runVirtualFederation({
        ...optionsFor([{ ...first, stateDir }, second]),
        observeClient: (id, event) => {
          if (event.type === "started" && event.stateDir === stateDir) asked.push(id);
        },
      });
      expect(asked).to.deep.equal(["client-0"]);
    } finally {
      rmSync(stateDir, { recursive: true });
    }
  });

  it("ends when one of its clients cannot live, and says why", async () => {
    const { participants } = workers(2);
    const broken: Client = {
      ...(participants[1] as VirtualParticipant).client,
      save: () => {
        throw new Error("nothing to save");
      },
    };
    const options = optionsFor([participants[0] as VirtualParticipant, { id: "broken", client: broken }]);
    expect(String(await failureOf(runVirtualFederation(options)))).to.equal("Error: nothing to save");
  });

  it("refuses two clients under one id, and fewer than one at a time", async () => {
    const { participants } = workers(2);
    const twice = await failureOf(runVirtualFederation(optionsFor([...participants, ...participants])));
    expect(twice).to.include({ code: "argument/invalid", message: "two virtual clients have the id client-0" });
    const none = await failureOf(runVirtualFederation({ ...optionsFor(participants), atOnce: 0 }));
    expect(none).to.include({ code: "argument/invalid" });
  });
});
