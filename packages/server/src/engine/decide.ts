// What to do next, read off what is known. Level-triggered: a restarted engine that knows the same decides the same.
import { random, sameKey } from "@perennial-fl/core";
import type { ClientId, Failure, Phase, RequestKey } from "@perennial-fl/core";
import { weightedMetrics } from "@perennial-fl/strategy";
import type { Contribution } from "@perennial-fl/strategy";
import type { PhaseRecord, RoundRecord } from "../history.js";
import type { Plan } from "../plan.js";
import { rejoinTimer, withPresence, withTimer } from "./apply.js";
import type { Answer, Command, Durable, EngineState, PhaseProgress, Step } from "./types.js";

/** How long the farewells of a finished run may take. */
const farewellMs = 5_000;

/** The commands that the state calls for, and the state with them noted as under way. */
export function decide(plan: Plan, state: EngineState): Step {
  const { open } = state;
  if (state.stopping || isFinished(plan, state)) return farewell(plan, state);
  const expecting = expectBack(plan, state);
  const next = ((): Step => {
    if (open.fit === undefined) return openFit(plan, expecting.state);
    if (!isOver(open.fit)) return ask(plan, expecting.state, open.fit);
    if (open.moved === undefined) return only(expecting.state, aggregate(plan, expecting.state, open.fit));
    if (open.evaluate === undefined) return only(expecting.state, openEvaluate(plan, expecting.state));
    if (!isOver(open.evaluate)) return ask(plan, expecting.state, open.evaluate);
    if (open.checkpointed === undefined) return only(expecting.state, checkpoint(plan, expecting.state));
    return only(expecting.state, commit(plan, expecting.state));
  })();
  return { state: next.state, commands: [...expecting.commands, ...next.commands] };
}

export function isFinished(plan: Plan, state: EngineState): boolean {
  return state.durable.round >= plan.numRounds;
}

export function isOver({ cohort, outcomes }: PhaseProgress): boolean {
  return cohort.every((client) => outcomes.has(client));
}

/** The members of a cohort that have no outcome yet, in cohort order. */
export function outstanding({ cohort, outcomes }: PhaseProgress): ClientId[] {
  return cohort.filter((client) => !outcomes.has(client));
}

export function deadlineTimer(key: RequestKey): string {
  return `deadline:${key.phase}:${key.round}:${key.attempt}`;
}

function only(state: EngineState, command: Command): Step {
  return { state, commands: [command] };
}

// --- opening -------------------------------------------------------------------------------------------------------

function openFit(plan: Plan, state: EngineState): Step {
  const round = state.durable.round + 1;
  const free = available(state);
  const needed = plan.strategy.selectFit.minAvailable;
  if (free.length < needed) {
    const waiting = `${round}:${free.length}`;
    if (state.waiting === waiting) return { state, commands: [] };
    const event = { type: "waiting", round, available: free.length, needed } as const;
    return only({ ...state, waiting }, { type: "report", event });
  }
  const key = keyOf(state, "fit");
  const cohort = [...plan.strategy.selectFit.choose(free, drawFor(plan, key))].sort();
  return only(state, { type: "open", key, cohort, roster: roster(state) });
}

function openEvaluate(plan: Plan, state: EngineState): Command {
  const key = keyOf(state, "evaluate");
  const cohort = [...plan.strategy.selectEvaluate.choose(available(state), drawFor(plan, key))].sort();
  return { type: "open", key, cohort, roster: roster(state) };
}

/** Clients that can be asked, by id: here or expected back, and free of an older question. */
function available(state: EngineState): ClientId[] {
  return [...state.clients].flatMap(([client, presence]) => (presence.asked ? [] : [client])).sort();
}

/** Everyone with an id of their own, here or expected back. */
function roster(state: EngineState): ClientId[] {
  return [...state.clients].flatMap(([client, { identified }]) => (identified ? [client] : [])).sort();
}

function keyOf(state: EngineState, phase: Phase): RequestKey {
  return { run: state.durable.run, round: state.durable.round + 1, attempt: state.attempt, phase };
}

/** Derived from what it is for and never a stream, so a resumed run draws the same. */
function drawFor(plan: Plan, key: RequestKey) {
  return random(plan.seed, "select", key.phase, key.round);
}

// --- asking --------------------------------------------------------------------------------------------------------

/** Asks whoever has not been asked, gives up on whoever is gone, and sets the deadline. */
function ask(plan: Plan, before: EngineState, progress: PhaseProgress): Step {
  const { key } = progress;
  const commands: Command[] = [];
  const gone: Failure[] = [];
  let state = before;
  if (plan.roundTimeoutMs !== undefined && !state.timers.has(deadlineTimer(key))) {
    state = withTimer(state, deadlineTimer(key));
    commands.push({ type: "wait", timer: deadlineTimer(key), ms: plan.roundTimeoutMs });
  }
  for (const client of outstanding(progress)) {
    const presence = state.clients.get(client);
    if (presence === undefined) {
      gone.push({ client, reason: "departed", message: "the client left and did not come back" });
    } else if (presence.connected && presence.asked === undefined) {
      state = withPresence(state, client, { ...presence, asked: key });
      const config = plan.strategy.configure(key.round, key.phase);
      const parameters = (state.open.moved ?? state.durable).parameters;
      const event = { type: "client-asked", round: key.round, phase: key.phase, client } as const;
      commands.push({ type: "report", event });
      commands.push({ type: "send", client, instruction: { type: key.phase, key, parameters, config } });
    }
  }
  if (gone.length > 0) commands.push({ type: "drop", key, failures: gone });
  return { state, commands };
}

/** A clock for every client that is away and expected back. */
function expectBack(plan: Plan, before: EngineState): Step {
  let state = before;
  const commands: Command[] = [];
  for (const [client, { connected }] of before.clients) {
    const timer = rejoinTimer(client);
    if (connected || before.timers.has(timer)) continue;
    state = withTimer(state, timer);
    commands.push({ type: "wait", timer, ms: plan.rejoinTimeoutMs });
  }
  return { state, commands };
}

// --- closing -------------------------------------------------------------------------------------------------------

/** The answers that count, in cohort order. */
function answers<T extends Phase>(progress: PhaseProgress, phase: T): [ClientId, Extract<Answer, { type: T }>][] {
  return progress.cohort.flatMap((client) => {
    const outcome = progress.outcomes.get(client);
    return outcome?.type === phase ? [[client, outcome as Extract<Answer, { type: T }>]] : [];
  });
}

/** Too few answers are as good as none: the model stays, and the round is skipped. */
function aggregate(plan: Plan, state: EngineState, fit: PhaseProgress): Command {
  const counted = countedFits(plan, fit);
  const contributions = counted.map(([client, { update, numExamples, metrics }]): Contribution => ({
    client,
    result: update,
    numExamples,
    metrics,
  }));
  return { type: "aggregate", round: state.durable.round + 1, contributions };
}

function countedFits(plan: Plan, fit: PhaseProgress): ReturnType<typeof answers<"fit">> {
  const fits = answers(fit, "fit");
  return plan.strategy.enough(fits.length, fit.cohort.length) ? fits : [];
}

function checkpoint(plan: Plan, state: EngineState): Command {
  const record = recordOf(plan, state);
  return {
    type: "checkpoint",
    round: record.round,
    parameters: (state.open.moved ?? state.durable).parameters,
    // Nobody evaluated: a checkpointer by score ignores NaN, the latest one saves all the same.
    loss: record.loss ?? NaN,
    metrics: record.evaluate.metrics,
  };
}

function commit(plan: Plan, state: EngineState): Command {
  const record = recordOf(plan, state);
  const moved = state.open.moved ?? state.durable;
  const durable: Durable = {
    run: state.durable.run,
    round: record.round,
    parameters: moved.parameters,
    strategyState: moved.strategyState,
    history: [...state.durable.history, record],
    roster: roster(state),
  };
  return { type: "commit", durable, record };
}

function recordOf(plan: Plan, state: EngineState): RoundRecord {
  const { fit, evaluate } = state.open;
  const fits = fit ? countedFits(plan, fit) : [];
  const evaluations = evaluate ? answers(evaluate, "evaluate") : [];
  const losses = weightedMetrics(evaluations.map(([, { loss, numExamples }]) => ({ numExamples, metrics: { loss } })));
  return {
    round: state.durable.round + 1,
    outcome: fits.length > 0 ? "committed" : "skipped",
    fit: phaseRecord(fit, fits),
    evaluate: phaseRecord(evaluate, evaluations),
    ...(losses["loss"] === undefined ? {} : { loss: losses["loss"] }),
  };
}

function phaseRecord(progress: PhaseProgress | undefined, counted: readonly [ClientId, Answer][]): PhaseRecord {
  const cohort = progress?.cohort ?? [];
  return {
    cohort,
    answered: counted.map(([client]) => client),
    failures: cohort.flatMap((client) => {
      const outcome = progress?.outcomes.get(client);
      return outcome?.type === "failed" ? [{ ...outcome.failure }] : [];
    }),
    numExamples: counted.reduce((sum, [, { numExamples }]) => sum + numExamples, 0),
    metrics: weightedMetrics(counted.map(([, answer]) => answer)),
  };
}

/**
 * Tells everyone that the run is over, or when to come back, also those who join late or still owe an answer, and
 * finishes when all have gone or time is up. Told so, a stock Flower client survives the server's restart.
 */
function farewell(plan: Plan, before: EngineState): Step {
  const seconds = isFinished(plan, before) ? 0 : plan.restartSeconds;
  const timer = "farewell";
  const timeIsUp = before.ending && !before.timers.has(timer);
  if (before.clients.size === 0 || timeIsUp) return only(before, { type: "finish" });
  const commands: Command[] = before.ending ? [] : [{ type: "wait", timer, ms: farewellMs }];
  let state = before.ending ? before : withTimer({ ...before, ending: true }, timer);
  for (const [client, presence] of before.clients) {
    // A client that still trains must not get a second message before it answers the first.
    if (!presence.connected || presence.asked || presence.told) continue;
    state = withPresence(state, client, { ...presence, told: true });
    commands.push({ type: "send", client, instruction: { type: "reconnect", seconds } });
  }
  return { state, commands };
}

export function sameQuestion(progress: PhaseProgress | undefined, key: RequestKey | undefined): boolean {
  return progress !== undefined && key !== undefined && sameKey(progress.key, key);
}
