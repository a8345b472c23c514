// What a server finds in its directory, and what it says of it before it goes on.
import { memoryStorage, openRoundJournal } from "@perennial-fl/checkpointer";
import { float32, memoryResult } from "@perennial-fl/core";
import type { Phase, RequestKey } from "@perennial-fl/core";
import { fedAvg } from "@perennial-fl/strategy";
import { expect } from "chai";
import { ImmutableMap } from "../src/engine/immutable-map.js";
import type { Durable, OpenRound, PhaseProgress } from "../src/engine/types.js";
import { toEntry } from "../src/journal-facts.js";
import { checkResume, freshDurable, replay, resumedEvent } from "../src/resume.js";
import { initialState } from "../src/index.js";
import type { Plan } from "../src/index.js";

const plan: Plan = {
  numRounds: 5,
  seed: 0,
  strategy: fedAvg(),
  rejoinTimeoutMs: 1000,
  restartSeconds: 1,
  drainTimeoutMs: 1000,
};
const durable: Durable = { ...freshDurable("r", plan, [float32([1], [0])]), round: 2, attempt: 2 };
const keyOf = (phase: Phase, other: Partial<RequestKey> = {}): RequestKey => {
  return { run: "r", round: 3, attempt: 2, phase, ...other };
};

describe("a journal without a state", () => {
  it("is damage, be it of one record; without either a run begins", () => {
    const found = (journalled: number) => () => checkResume(undefined, journalled, "auto", plan, {}, "/state");
    expect(found(0)()).to.equal(false);
    for (const journalled of [1, 2]) {
      expect(found(journalled)).to.throw("/state holds the journal of an open round and no state to go with it");
    }
  });
});

describe("a journal that is replayed", () => {
  const replayed = async (other: Partial<RequestKey>) => {
    const journal = await openRoundJournal(memoryStorage());
    const opening = { type: "opened", key: keyOf("fit", other), cohort: ["a", "b"], roster: [] } as const;
    await journal.append([await toEntry(opening, journal)]);
    const said: string[] = [];
    const { open } = await replay(durable, journal, (message) => said.push(message));
    return { said, open: open.fit !== undefined, left: journal.entries.length };
  };

  it("opens its round again, without a word", async () => {
    expect(await replayed({})).to.deep.equal({ said: [], open: true, left: 1 });
  });

  it("is cleared without a word when its round is committed", async () => {
    expect(await replayed({ round: 2 })).to.deep.equal({ said: [], open: false, left: 0 });
  });

  it("is cleared aloud when it rests on a state that was lost", async () => {
    const { said, ...rest } = await replayed({ round: 4 });
    expect(rest).to.deep.equal({ open: false, left: 0 });
    expect(said).to.deep.equal([
      "what round 4 had received is given up: it rests on a state that was lost, and round 3 comes first",
    ]);
  });

  for (const round of [3, 9]) {
    it(`is cleared aloud when a rollback has left it, of round ${round}`, async () => {
      const { said, ...rest } = await replayed({ round, attempt: 1 });
      expect(rest).to.deep.equal({ open: false, left: 0 });
      expect(said).to.deep.equal([`what round ${round} had received is given up: the run was rolled back to round 2`]);
    });
  }
});

describe("what a resumed server says first", () => {
  const answer = { type: "fit", update: memoryResult([]), numExamples: 1, metrics: {} } as const;
  const phase = (name: Phase, answered: readonly string[]): PhaseProgress => {
    const outcomes = ImmutableMap.of(answered.map((client) => [client, answer] as const));
    return { key: keyOf(name), cohort: ["a", "b"], outcomes };
  };
  const said = (open: OpenRound) => {
    const { roundOpen, answered, outstanding } = resumedEvent({ ...initialState(durable), open });
    return { roundOpen, answered, outstanding };
  };

  it("is that no round is open", () => {
    expect(said({})).to.deep.equal({ roundOpen: false, answered: [], outstanding: [] });
  });

  it("is who had answered the fit, and who is asked again", () => {
    expect(said({ fit: phase("fit", ["b"]) })).to.deep.equal({ roundOpen: true, answered: ["b"], outstanding: ["a"] });
  });

  it("is the same of the evaluation, once it was opened", () => {
    const open = { fit: phase("fit", ["a", "b"]), evaluate: phase("evaluate", ["a"]) };
    expect(said(open)).to.deep.equal({ roundOpen: true, answered: ["a"], outstanding: ["b"] });
  });

  it("is that everybody had answered, between the two", () => {
    const open = { fit: phase("fit", ["a", "b"]) };
    expect(said(open)).to.deep.equal({ roundOpen: true, answered: ["a", "b"], outstanding: [] });
  });
});
