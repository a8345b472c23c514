// The runner alone, under a fleet whose events wait in one line: what shares a record, what is told, and in which order.
import { memoryStorage, openRoundJournal } from "@perennial-fl/checkpointer";
import type { RoundJournal } from "@perennial-fl/checkpointer";
import { FederationError, float32, memoryResult } from "@perennial-fl/core";
import type { AnswerTimes, ClientId, Fleet, FleetEvent, Parameters, RequestKey } from "@perennial-fl/core";
import { fedAvg } from "@perennial-fl/strategy";
import type { StrategyOptions } from "@perennial-fl/strategy";
import { expect } from "chai";
import { initialState, runEngine } from "../src/index.js";
import type { Plan, ServerEvent, World } from "../src/index.js";

type Replied = Extract<FleetEvent, { type: "replied" }>;
type Answers = (client: ClientId, key: RequestKey) => FleetEvent[];

function fits(client: ClientId, key: RequestKey, times?: AnswerTimes): Replied {
  const update = memoryResult([float32([1], [client.length])]);
  const reply = { type: "fit", update, numExamples: 1, metrics: {} } as const;
  return { type: "replied", client, key, reply, ...(times && { times }) };
}

function evaluates(client: ClientId, key: RequestKey, loss = 0.5): Replied {
  return { type: "replied", client, key, reply: { type: "evaluate", loss, numExamples: 1, metrics: {} } };
}

const refuses = (client: ClientId, key: RequestKey): Replied => {
  return { type: "replied", client, key, reply: { type: "refused", message: "no data" } };
};

const inTime: Answers = (client, key) => [(key.phase === "fit" ? fits : evaluates)(client, key)];

/** Everyone joins; whoever is asked has answered before the next event is looked at. */
function lineFleet(clients: readonly ClientId[], answers: Answers): Fleet {
  const line: FleetEvent[] = clients.map((client) => ({ type: "joined", client, identified: true }));
  return {
    async *events() {
      for (let event = line.shift(); event !== undefined; event = line.shift()) yield await Promise.resolve(event);
    },
    takeReply() {
      return line[0]?.type === "replied" ? (line.shift() as Replied) : undefined;
    },
    send(client, instruction) {
      if (instruction.type === "reconnect") line.push({ type: "left", client, message: "told to" });
      else if ("key" in instruction) line.push(...answers(client, instruction.key));
    },
    wait: () => undefined,
    close: () => Promise.resolve(),
  };
}

const names = (count: number): ClientId[] => Array.from({ length: count }, (_, i) => `c${String(i).padStart(3, "0")}`);

interface Session {
  readonly clients: readonly ClientId[];
  readonly answers?: Answers;
  readonly numRounds?: number;
  readonly strategy?: StrategyOptions;
  readonly world?: Partial<World>;
}

/** Runs to the end; `records` has what became durable with one sync each, as `accepted c000`, and `points` every failpoint. */
async function session({ clients, answers = inTime, numRounds = 1, strategy = {}, world = {} }: Session) {
  const events: ServerEvent[] = [];
  const records: string[][] = [];
  const points: string[] = [];
  const all = { minAvailableClients: clients.length, minFitClients: clients.length, fractionEvaluate: 0 };
  const plan: Plan = {
    numRounds,
    seed: 0,
    strategy: fedAvg({ ...all, ...strategy }),
    rejoinTimeoutMs: 1000,
    restartSeconds: 1,
    drainTimeoutMs: 1000,
  };
  const parameters = [float32([1], [0])];
  const durable = { run: "r", round: 0, attempt: 1, parameters, strategyState: null, history: [], roster: [] };
  const held = await openRoundJournal(memoryStorage());
  const journal: RoundJournal = {
    ...held,
    append(entries) {
      records.push(
        entries.map(({ type, client }) =>
          typeof client === "string" ? `${type as string} ${client}` : (type as string),
        ),
      );
      return held.append(entries);
    },
  };
  const outcome = await runEngine(plan, initialState(durable), {
    fleet: lineFleet(clients, answers),
    journal,
    save: () => Promise.resolve(),
    checkpointers: [],
    observe: (event) => events.push(event),
    failpoint: (point) => void points.push(point),
    ...world,
  });
  const of = <T extends ServerEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<ServerEvent, { type: T }> => event.type === type);
  return { outcome, of, records, points };
}

describe("a runner, of answers that are here together,", () => {
  it("makes all of them durable in one record", async () => {
    const { outcome, records, of } = await session({ clients: names(3) });
    expect(outcome).to.equal("finished");
    expect(records).to.deep.equal([["opened"], ["accepted c000", "accepted c001", "accepted c002"], ["opened"]]);
    expect(of("result-accepted").map(({ client }) => client)).to.deep.equal(names(3));
  });

  it("takes 64 at most, in every phase", async () => {
    const { records } = await session({ clients: names(150), strategy: { fractionEvaluate: 1 } });
    expect(records.map(({ length }) => length)).to.deep.equal([1, 64, 64, 22, 1, 64, 64, 22]);
  });

  it("looks at the second answer of a client when the first is durable", async () => {
    const twice: Answers = (client, key) => [fits(client, key), ...(client === "c001" ? [fits(client, key)] : [])];
    const { records, of } = await session({ clients: names(3), answers: twice });
    expect(records).to.deep.equal([["opened"], ["accepted c000", "accepted c001"], ["accepted c002"], ["opened"]]);
    expect(of("result-ignored")).to.deep.equal([
      { type: "result-ignored", round: 1, phase: "fit", client: "c001", why: "repeated" },
    ]);
  });

  it("takes no more than the phase still needs, so that a round that closes by their count has that count", async () => {
    const strategy = { fractionFit: 0.5, minFitClients: 2, overSelection: 2 };
    const { records, of } = await session({ clients: names(4), strategy });
    expect(records.map(([first, ...more]) => [first?.split(" ")[0], more.length])).to.deep.equal([
      ["opened", 0],
      ["accepted", 1],
      ["dropped", 0],
      ["opened", 0],
    ]);
    expect(of("round-committed")).to.have.length(1);
    expect(of("round-committed")[0]).to.include({ answered: 2, failed: 0 });
  });
});

describe("what a runner tells of a committed round", () => {
  it("has those that failed, without those that were not needed any more", async () => {
    const answers: Answers = (client, key) => [client === "c000" ? refuses(client, key) : fits(client, key)];
    const strategy = { fractionFit: 0.5, minFitClients: 2, overSelection: 2 };
    const { of } = await session({ clients: names(4), answers, strategy });
    expect(of("client-failed").map(({ reason }) => reason)).to.deep.equal(["refused", "surplus"]);
    expect(of("round-committed")[0]).to.include({ answered: 2, failed: 1 }).and.not.have.property("loss");
  });

  it("has the loss that clients found, if they were asked", async () => {
    const { of } = await session({ clients: names(2), strategy: { fractionEvaluate: 1 } });
    expect(of("round-committed")[0]).to.include({ answered: 2, failed: 0, loss: 0.5 });
  });

  it("is where its time went, by the clock that it was given", async () => {
    let now = 0;
    const longer: Record<string, number> = {
      ["before send"]: 1,
      ["before accept"]: 10,
      ["before drop"]: 100,
      ["before checkpoint"]: 10_000,
      ["after save"]: 100_000,
    };
    const times = { sentMs: 2, beganMs: 5, endedMs: 9 };
    const answers: Answers = (client, key) => (client === "c000" ? [fits(client, key, times)] : [refuses(client, key)]);
    const aggregate = () => {
      now += 1000;
      return Promise.resolve(undefined);
    };
    const { of } = await session({
      clients: names(2),
      answers,
      world: { now: () => 1 + now, failpoint: (point) => void (now += longer[point] ?? 0), aggregator: { aggregate } },
    });
    expect(of("round-timed")).to.deep.equal([
      {
        ...{ type: "round-timed", round: 1, broadcastMs: 1, clientMs: 3, uploadMs: 4, durableMs: 4, waitMs: 100 },
        ...{ aggregateMs: 1000, evaluateMs: 10_000, commitMs: 100_000, totalMs: 111_112 },
      },
    ]);
  });

  it("is not where its time went, without a clock", async () => {
    expect((await session({ clients: names(1) })).of("round-timed")).to.deep.equal([]);
  });
});

describe("a runner", () => {
  it("can die before and after every command, and after a save", async () => {
    const { points } = await session({ clients: names(1), strategy: { fractionEvaluate: 1 } });
    const commands = ["open", "send", "accept", "aggregate", "open", "send", "accept", "checkpoint"];
    const told = points.filter((point) => !point.endsWith(" report"));
    expect(told).to.deep.equal([
      ...commands.flatMap((command) => [`before ${command}`, `after ${command}`]),
      ...["before commit", "after save", "after commit"],
      ...["wait", "send", "finish"].flatMap((command) => [`before ${command}`, `after ${command}`]),
    ]);
  });

  it("announces the room that a fit needs, and asks nobody where there is less", async () => {
    const roomy = async (free: number) => {
      const journal = { ...(await openRoundJournal(memoryStorage())), free: () => Promise.resolve(free) };
      return session({
        clients: names(2),
        numRounds: 2,
        strategy: { fractionEvaluate: 1 },
        world: { journal, location: "/state" },
      });
    };
    const enough = await roomy(12);
    expect(enough.of("space")).to.deep.equal([1, 2].map((round) => ({ type: "space", round, needed: 12, free: 12 })));
    const failure = await roomy(11).catch((error: unknown) => error);
    expect(String(failure)).to.include("round 1 needs 12 bytes in /state, and 11 are free");
  });

  it("has another thread aggregate, unless updates count by their age, and does itself what that thread cannot", async () => {
    const by = (aggregate: NonNullable<World["aggregator"]>["aggregate"], strategy: StrategyOptions = {}) =>
      session({ clients: names(2), strategy, world: { aggregator: { aggregate } } });
    const digest = ({ of }: Awaited<ReturnType<typeof session>>) => of("round-committed")[0]?.parametersSha256;
    const here = digest(await session({ clients: names(2) }));

    const elsewhere: Parameters = [float32([1], [7])];
    expect(digest(await by(() => Promise.resolve(elsewhere))))
      .to.be.a("string")
      .and.not.equal(here);
    expect(digest(await by(() => Promise.resolve(elsewhere), { late: "stale" }))).to.equal(here);
    expect(digest(await by(() => Promise.resolve(undefined)))).to.equal(here);
    const gone = new FederationError("strategy/failed", "the thread ended");
    expect(digest(await by(() => Promise.reject(gone)))).to.equal(here);
    const mistake = new TypeError("w is undefined");
    expect(await by(() => Promise.reject(mistake)).catch((error: unknown) => error)).to.equal(mistake);
  });

  it("keeps the journal when the state cannot be saved: until then it is all there is of the round", async () => {
    const journal = await openRoundJournal(memoryStorage());
    const save = () => Promise.reject(new Error("the disk is full"));
    const failure = await session({ clients: names(1), world: { journal, save } }).catch((error: unknown) => error);
    expect(String(failure)).to.include("the disk is full");
    expect(journal.entries.map(({ type }) => type)).to.deep.equal(["opened", "accepted", "opened"]);
  });
});
