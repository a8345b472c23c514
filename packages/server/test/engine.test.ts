// The pure engine, step by step: what no story shows, because it is about what is not said a second time.
import { expect } from "chai";
import { float32, memoryResult, recordsEntry } from "@perennial-fl/core";
import type { Parameters, RequestKey } from "@perennial-fl/core";
import { fedAvg, fedBuff, scaffold } from "@perennial-fl/strategy";
import type { Exchange, Strategy } from "@perennial-fl/strategy";
import { recordsObjection } from "../src/engine/exchange.js";
import { apply, initialState, moved, step } from "../src/index.js";
import type { Command, EngineEvent, EngineState, Plan } from "../src/index.js";

const parameters = [float32([1], [0])];
const one = { minAvailableClients: 1, minFitClients: 1, minEvaluateClients: 1, fractionEvaluate: 0 };

const planOf = (changes: Partial<Plan> = {}): Plan => ({
  numRounds: 9,
  seed: 1,
  strategy: fedAvg(one),
  rejoinTimeoutMs: 1000,
  restartSeconds: 10,
  drainTimeoutMs: 5000,
  ...changes,
});

const stateOf = (strategy: Strategy, roster: readonly string[] = []): EngineState =>
  initialState({
    run: "run",
    round: 0,
    attempt: 1,
    parameters,
    strategyState: strategy.move.init(parameters),
    history: [],
    roster,
  });

/** Carries out what makes facts, as the runner does, and gives everything that was wanted. */
function play(plan: Plan, before: EngineState, event: EngineEvent): { state: EngineState; commands: Command[] } {
  const all: Command[] = [];
  let state = before;
  const take = (next: EngineEvent): void => {
    const stepped = step(plan, state, next);
    state = stepped.state;
    for (const command of stepped.commands) {
      all.push(command);
      if (command.type === "open") take({ ...command, type: "opened" });
      if (command.type === "accept") take({ ...command, type: "accepted" });
      if (command.type === "drop") take({ ...command, type: "dropped" });
      if (command.type === "aggregate") take(moved(plan, state.durable, command));
      if (command.type === "checkpoint") take({ type: "checkpointed" });
      if (command.type === "commit") take({ type: "committed", durable: command.durable });
    }
  };
  take(event);
  return { state, commands: all };
}

const joined = (client: string): EngineEvent => ({ type: "joined", client, identified: true });
const fitKey = (round: number): RequestKey => ({ run: "run", round, attempt: 1, phase: "fit" });
const fitted = (client: string, round: number): EngineEvent => ({
  type: "replied",
  client,
  key: fitKey(round),
  reply: { type: "fit", update: memoryResult([float32([1], [round])]), numExamples: 1, metrics: {} },
});
const refused = (client: string, round: number): EngineEvent => ({
  type: "replied",
  client,
  key: fitKey(round),
  reply: { type: "refused", message: "not now" },
});

const reports = (commands: readonly Command[]) =>
  commands.flatMap((command) => (command.type === "report" ? [command.event] : []));

describe("the engine", () => {
  it("gives up after rounds in a row that moved nothing: one that moves something between them counts from new", () => {
    const plan = planOf({ maxSkippedRounds: 2 });
    let { state } = play(plan, stateOf(plan.strategy), joined("a"));
    const given: string[] = [];
    const take = (event: EngineEvent): void => {
      const next = play(plan, state, event);
      state = next.state;
      given.push(...next.commands.flatMap((command) => (command.type === "giveUp" ? [command.message] : [])));
    };
    for (const [round, answer] of [refused, fitted, refused, fitted, refused].entries()) take(answer("a", round + 1));
    expect(given).to.deep.equal([]);
    take(refused("a", 6));
    expect(given).to.have.length(1);
    expect(given[0]).to.match(/^2 rounds in a row moved nothing/);
  });

  it("sets the limit on waiting for clients once, however many come", () => {
    const plan = planOf({ strategy: fedAvg({ ...one, minAvailableClients: 3 }), waitTimeoutMs: 50 });
    const first = play(plan, stateOf(plan.strategy), joined("a"));
    const second = play(plan, first.state, joined("b"));
    const waits = [...first.commands, ...second.commands].filter(({ type }) => type === "wait");
    expect(waits).to.deep.equal([{ type: "wait", timer: "clients:1", ms: 50 }]);
  });

  it("counts only wanted clients towards a buffer's beginning", () => {
    const strategy = fedBuff({ bufferSize: 1, minAvailableClients: 2 });
    const plan = planOf({ strategy, criterion: (client) => client !== "unwanted" });
    const first = play(plan, stateOf(strategy), joined("a"));
    const second = play(plan, first.state, joined("unwanted"));
    expect(second.commands.map(({ type }) => type)).to.not.include("open");
    const third = play(plan, second.state, joined("b"));
    expect(third.commands.map(({ type }) => type)).to.include("open");
  });

  it("keeps a client with an id on the roster while it is away, and forgets one without", () => {
    const plan = planOf({ strategy: fedAvg({ ...one, minAvailableClients: 2, minFitClients: 2 }) });
    let { state } = play(plan, stateOf(plan.strategy), joined("a"));
    state = apply(state, { type: "joined", client: "anonymous", identified: false });
    state = apply(state, { type: "left", client: "a", message: "lost" });
    state = apply(state, { type: "left", client: "anonymous", message: "lost" });
    const opened = play(plan, state, joined("b")).commands.find(({ type }) => type === "open");
    expect(opened).to.deep.include({ roster: ["a", "b"] });
  });

  it("leaves out a client that answers something else than it was asked", () => {
    const plan = planOf();
    const { state } = play(plan, stateOf(plan.strategy), joined("a"));
    const reply = { type: "evaluate", loss: 0, numExamples: 1, metrics: {} } as const;
    const { commands } = play(plan, state, { type: "replied", client: "a", key: fitKey(1), reply });
    expect(commands[0]).to.deep.equal({
      type: "drop",
      key: fitKey(1),
      failures: [{ client: "a", reason: "invalid", message: "fit was asked for, and evaluate came" }],
    });
  });

  it("admits a late answer once, whichever of its copies comes first", () => {
    const { state } = play(planOf(), stateOf(fedAvg(one)), joined("a"));
    const answer = { type: "fit", update: memoryResult(parameters), numExamples: 1, metrics: {} } as const;
    const late = { client: "b", round: 1, answer, base: memoryResult(parameters) };
    const admitted = { type: "admitted", key: fitKey(2), into: 2, late } as const;
    const once = apply(state, admitted);
    expect(apply(once, admitted)).to.equal(once);
    expect(once.open.late).to.have.length(1);
    expect(apply(once, { ...admitted, late: { ...late, round: 0 } }).open.late).to.have.length(2);
    expect(apply(once, { ...admitted, late: { ...late, client: "c" } }).open.late).to.have.length(2);
    const carried = { ...state, durable: { ...state.durable, carried: [late] } };
    expect(apply(carried, admitted)).to.equal(carried);
  });

  it("asks nobody again because of another copy of an older answer", () => {
    const plan = planOf();
    const first = play(plan, stateOf(plan.strategy), joined("a"));
    const second = play(plan, first.state, fitted("a", 1));
    expect(second.commands.map(({ type }) => type)).to.include("send");
    const { commands } = play(plan, second.state, fitted("a", 1));
    expect(commands.map(({ type }) => type)).to.deep.equal(["report"]);
    expect(reports(commands)[0]).to.deep.include({ type: "result-ignored", round: 1, client: "a", why: "late" });
  });

  it("reports who joins, what opens and what the server measures, by name and round", () => {
    const plan = planOf({ measures: true });
    const first = play(plan, stateOf(plan.strategy), joined("a"));
    expect(reports(first.commands)).to.deep.equal([
      { type: "client-joined", client: "a", identified: true },
      { type: "round-opened", round: 1, cohort: ["a"] },
      { type: "client-asked", round: 1, phase: "fit", client: "a" },
    ]);
    const second = play(plan, first.state, fitted("a", 1));
    expect(reports(second.commands).map(({ type }) => type)).to.deep.equal(["result-accepted"]);
    const third = play(plan, second.state, { type: "measured", loss: 0.5, metrics: { accuracy: 1 } });
    expect(reports(third.commands)[0]).to.deep.equal({
      type: "model-measured",
      round: 1,
      loss: 0.5,
      metrics: { accuracy: 1 },
    });
    expect(reports(third.commands)).to.deep.include({ type: "evaluation-opened", round: 1, cohort: [] });
  });

  it("records the examples and metrics of fresh answers and of late ones in the round that they count in, and in no other", () => {
    const strategy = fedBuff({ bufferSize: 1, minAvailableClients: 1 });
    const plan = planOf({ strategy });
    const { state } = play(plan, stateOf(strategy), joined("a"));
    const answer = { type: "fit", update: memoryResult(parameters), numExamples: 3, metrics: { accuracy: 1 } } as const;
    const late = { client: "b", round: 0, answer, base: memoryResult(parameters) };
    const carried = { ...state, durable: { ...state.durable, carried: [late] } };
    const next = { type: "admitted", key: fitKey(1), into: 2, late: { ...late, client: "c" } } as const;
    const commits = play(plan, apply(carried, next), fitted("a", 1)).commands.flatMap((each) =>
      each.type === "commit" ? [each] : [],
    );
    const records = commits.map(({ record }) => record);
    expect(commits[0]?.durable.carried, "what is for the next round").to.deep.equal([next.late]);
    expect(records[0]?.fit).to.deep.include({ numExamples: 4, answered: ["a"], late: [{ client: "b", round: 0 }] });
    expect(records[0]?.fit.metrics).to.deep.equal({ accuracy: 1 });
  });

  it("sends every client of a round the very same list of tensors, records and all, so that it is encoded once", () => {
    const strategy = scaffold({ ...one, minAvailableClients: 2, minFitClients: 2 });
    const plan = planOf({ strategy });
    const first = play(plan, stateOf(strategy), joined("a"));
    const second = play(plan, first.state, joined("b"));
    const sent = second.commands.flatMap((command) =>
      command.type === "send" && command.instruction.type === "fit" ? [command.instruction.parameters] : [],
    );
    expect(sent).to.have.length(2);
    expect(sent[0]).to.have.length(2).and.to.equal(sent[1]);
  });

  it("warns of an unreadable answer that nobody was asked for, and leaves the round as it is", () => {
    const plan = planOf();
    const { state } = play(plan, stateOf(plan.strategy), joined("a"));
    const { commands } = play(plan, state, {
      type: "unreadable",
      client: "b",
      key: fitKey(1),
      message: "not a message",
    });
    expect(reports(commands)).to.deep.include({ type: "warning", message: "b: not a message" });
    expect(commands.map(({ type }) => type)).to.not.include("drop");
  });
});

describe("the records that an update brings beside the model", () => {
  const model = [float32([1], [0]), float32([2], [0, 0])];
  const variates = scaffold({ population: 2 }).exchange as Exchange;
  const objection = (beside: Parameters, entry = `scaffold.delta=${beside.length}`) => {
    const update = memoryResult([...model, ...beside]);
    const answer = { type: "fit", update, numExamples: 1, metrics: { [recordsEntry]: entry } } as const;
    return recordsObjection(variates, answer, model, true);
  };

  it("have the model's tensors one by one", () => {
    expect(objection(model)).to.equal(undefined);
    expect(objection([float32([1], [0]), float32([3], [0, 0, 0])])).to.equal(
      "tensor 1 of scaffold.delta is float32[3], where a finite float32[2] is wanted",
    );
  });

  it("are objected to in the words of what is wrong with their entry; other errors are no objection", () => {
    expect(objection(model, "scaffold.delta=two")).to.include("is not of the form name=count");
    const broken = {
      get tensors(): never {
        throw new TypeError("w is undefined");
      },
    };
    const answer = {
      type: "fit",
      update: broken as never,
      numExamples: 1,
      metrics: { [recordsEntry]: "a=1" },
    } as const;
    expect(() => recordsObjection(variates, answer, model, true)).to.throw(TypeError, "w is undefined");
  });
});
