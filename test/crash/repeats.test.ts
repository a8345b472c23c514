// Answers that arrive again, late, or from another life: each counts once, or not at all, to the bit.
import type { Fleet, FleetEvent, RequestKey } from "@perennial-fl/core";
import { keyText, memoryResult, zeros } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { ServerEvent } from "@perennial-fl/server";
import { expect } from "chai";
import { serverOptions } from "../kill/federation.js";
import { figure } from "../support/figures.js";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { quickDirectory } from "../support/temporary.js";
import { toyClients } from "../support/toy-clients.js";

const rounds = 4;

interface Ended {
  readonly final: string;
  readonly accepted: number;
  readonly ignored: number;
}

async function serve(arrival: number, pass: (fleet: Fleet) => Fleet = (fleet) => fleet): Promise<Ended> {
  const said: ServerEvent[] = [];
  await startServer({
    ...serverOptions(quickDirectory(), rounds),
    openFleet: (openSink) => pass(scriptedFleet({ clients: toyClients(3), openSink, arrival })),
    observe: (event) => said.push(event),
  });
  const finished = said.find((event) => event.type === "finished");
  const count = (type: ServerEvent["type"]): number => said.filter((event) => event.type === type).length;
  return {
    final: finished?.parametersSha256 ?? "none",
    accepted: count("result-accepted"),
    ignored: count("result-ignored"),
  };
}

describe("answers that arrive", () => {
  it("up to five times, in any order, are counted once", async () => {
    const whole = await serve(1);
    for (let copies = 1; copies <= 5; copies++) {
      for (let arrival = 1; arrival <= 4; arrival++) {
        const ended = await serve(arrival, (fleet) => repeating(fleet, copies));
        expect(ended.final, `${copies} copies, order ${arrival}`).to.equal(whole.final);
        expect(ended.accepted).to.equal(rounds * 6);
      }
    }
    figure("repeats", { runs: 20, copies: 5 });
  });

  it("from another run, round or attempt change nothing", async () => {
    const whole = await serve(1);
    const ended = await serve(1, withStaleAnswers);
    expect(ended.final).to.equal(whole.final);
    expect(ended.accepted).to.equal(rounds * 6);
    expect(ended.ignored).to.equal(rounds * 6 * wrongKeys.length);
    figure("stale answers", { sent: ended.ignored, refused: ended.ignored });
  });
});

const wrongKeys: readonly ((key: RequestKey) => RequestKey)[] = [
  (key) => ({ ...key, run: "another" }),
  (key) => ({ ...key, round: key.round - 1 }),
  (key) => ({ ...key, round: key.round + 100 }),
  (key) => ({ ...key, attempt: key.attempt + 1 }),
];

/** Every answer comes so many times. */
function repeating(fleet: Fleet, copies: number): Fleet {
  async function* events(): AsyncGenerator<FleetEvent> {
    for await (const event of fleet.events()) for (let copy = 0; copy < copies; copy++) yield event;
  }
  return { ...fleet, send: once(fleet), events };
}

/** Every answer makes the engine ask anew whoever is still to answer; a real connection has one question at a time. */
function once(fleet: Fleet): Fleet["send"] {
  const asked = new Set<string>();
  return (client, instruction) => {
    const key = "key" in instruction ? `${client} ${keyText(instruction.key)}` : undefined;
    if (key !== undefined && asked.has(key)) return;
    if (key !== undefined) asked.add(key);
    fleet.send(client, instruction);
  };
}

/** Before each answer come answers of the same client to questions that it was not asked, each with a model of zeros. */
function withStaleAnswers(fleet: Fleet): Fleet {
  async function* events(): AsyncGenerator<FleetEvent> {
    for await (const event of fleet.events()) {
      if (event.type === "replied" && event.key !== undefined) {
        const { reply } = event;
        for (const wrong of wrongKeys) {
          const poisoned =
            reply.type === "fit"
              ? { ...reply, update: memoryResult(reply.update.tensors.map(({ dtype, shape }) => zeros(dtype, shape))) }
              : reply;
          yield { ...event, key: wrong(event.key), reply: poisoned };
        }
      }
      yield event;
    }
  }
  return { ...fleet, send: once(fleet), events };
}
