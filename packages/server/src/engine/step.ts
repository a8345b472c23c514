// The server as a pure function: what it knows and what happened give what it knows then and what it wants done.
// No clock, no socket, no file, and no randomness but the plan's seed.
import type { ClientId, Failure, FleetEvent, Phase, RequestKey } from "@perennial-fl/core";
import type { Plan } from "../plan.js";
import { apply } from "./apply.js";
import { decide } from "./decide.js";
import { ImmutableMap } from "./immutable-map.js";
import { whySkipped } from "./closing.js";
import { admission } from "./late.js";
import { clientsTimer, deadlineTimer, isOutstanding, outstanding, reachable, sameQuestion } from "./progress.js";
import type { Command, Durable, EngineEvent, EngineState, Fact, PhaseProgress, Step } from "./types.js";
import { objection } from "./validate.js";

/** A server that knows only what is durable. Everyone on the roster is away and expected back. */
export function initialState(durable: Durable): EngineState {
  return {
    durable,
    open: {},
    clients: ImmutableMap.of(durable.roster.map((client) => [client, { identified: true, connected: false }])),
    versions: new Map(),
    timers: new Set(),
    skipped: 0,
    stopping: false,
    ending: false,
  };
}

/**
 * One step. Commands that make something durable (`open`, `accept`, `drop`, `commit`) come before those that tell the
 * world, and the runner carries them out in order and reports each one's fact before the next event.
 */
export function step(plan: Plan, before: EngineState, event: EngineEvent): Step {
  const state = apply(before, event);
  const judged = judge(plan, before, event);
  // What this event makes durable changes what is known, so nothing else is decided until its fact arrives.
  if (judged.some(({ type }) => type === "accept" || type === "admit" || type === "drop" || type === "giveUp"))
    return { state, commands: judged };
  const decided = decide(plan, state);
  return { state: decided.state, commands: [...judged, ...decided.commands] };
}

/** Facts that became durable together: all of them are known before anything is decided. */
export function stepFacts(plan: Plan, before: EngineState, facts: readonly Fact[]): Step {
  let state = before;
  const judged: Command[] = [];
  for (const fact of facts) {
    judged.push(...judge(plan, state, fact));
    state = apply(state, fact);
  }
  const decided = decide(plan, state);
  return { state: decided.state, commands: [...judged, ...decided.commands] };
}

/** What an event itself calls for, whatever the round needs next. */
function judge(plan: Plan, state: EngineState, event: EngineEvent): Command[] {
  switch (event.type) {
    case "joined":
      return judgeJoined(plan, event);
    case "left":
      return [{ type: "report", event: { type: "client-left", client: event.client, message: event.message } }];
    case "replied":
      return judgeReply(plan, state, event);
    case "unreadable": {
      const progress = progressFor(state, event.key);
      if (progress === undefined || !isOutstanding(progress, event.client)) {
        return [{ type: "report", event: { type: "warning", message: `${event.client}: ${event.message}` } }];
      }
      return [drop(progress.key, event.client, "unreadable", event.message)];
    }
    case "elapsed":
      return [...judgeDeadline(state, event.timer), ...judgeWaiting(plan, state, event.timer)];
    case "opened":
      // A buffer that grows was opened before, and each newcomer is reported when it is asked.
      if (sameQuestion(state.open[event.key.phase], event.key)) return [];
      return [
        { type: "report", event: { type: openedEvent[event.key.phase], round: event.key.round, cohort: event.cohort } },
      ];
    case "accepted": {
      const { key, client, answer } = event;
      const loss = answer.type === "evaluate" ? { loss: answer.loss } : {};
      return [
        {
          type: "report",
          event: {
            type: "result-accepted",
            round: key.round,
            phase: key.phase,
            client,
            numExamples: answer.numExamples,
            ...loss,
          },
        },
      ];
    }
    case "admitted": {
      const { client, round, answer } = event.late;
      const about = { round: event.into, phase: "fit", client, numExamples: answer.numExamples } as const;
      return [{ type: "report", event: { type: "result-accepted", ...about, staleness: event.into - round } }];
    }
    case "dropped":
      return event.failures.map((failure) => ({
        type: "report",
        event: { type: "client-failed", round: event.key.round, phase: event.key.phase, ...failure },
      }));
    case "measured":
      return [
        {
          type: "report",
          event: { type: "model-measured", round: state.durable.round + 1, loss: event.loss, metrics: event.metrics },
        },
      ];
    case "committed": {
      const record = event.durable.history.at(-1);
      if (record?.outcome !== "skipped") return [];
      return [{ type: "report", event: { type: "warning", message: whySkipped(record) } }];
    }
    case "started":
    case "moved":
    case "checkpointed":
      return [];
  }
}

const openedEvent = { fit: "round-opened", evaluate: "evaluation-opened" } as const satisfies Record<Phase, string>;

/** A stock client takes part in what it can, and this is said aloud. */
function judgeJoined({ strategy }: Plan, { client, identified }: Extract<FleetEvent, { type: "joined" }>): Command[] {
  const joined: Command = { type: "report", event: { type: "client-joined", client, identified } };
  if (identified || !strategy.exchange) return [joined];
  const message = `${client} is a stock Flower client and cannot exchange ${strategy.exchange.take.join(", ")}: ${strategy.exchange.without}`;
  return [joined, { type: "report", event: { type: "warning", message } }];
}

/** An answer counts if its question is still open for that client and the model's schema agrees. */
function judgeReply(plan: Plan, state: EngineState, event: Extract<FleetEvent, { type: "replied" }>): Command[] {
  const { client, key, reply } = event;
  const progress = progressFor(state, key);
  if (key === undefined || progress === undefined || !isOutstanding(progress, client)) {
    if (key === undefined) return [];
    const admitted = admission(plan, state, event);
    if (typeof admitted === "object") return [{ type: "admit", ...admitted }];
    if (admitted !== undefined) {
      const message = `the late update of ${client} for round ${key.round} cannot count: ${admitted}`;
      return [{ type: "report", event: { type: "warning", message } }];
    }
    const member = progress?.cohort.includes(client) ?? false;
    const failed = progress?.outcomes.get(client)?.type === "failed";
    const why = progress === undefined || failed ? "late" : member ? "repeated" : "unasked";
    return [{ type: "report", event: { type: "result-ignored", round: key.round, phase: key.phase, client, why } }];
  }
  if (reply.type === "refused") return [drop(key, client, "refused", reply.message)];
  if (reply.type !== key.phase)
    return [drop(key, client, "invalid", `${key.phase} was asked for, and ${reply.type} came`)];
  const answer = reply;
  const identified = state.clients.get(client)?.identified ?? false;
  const why = objection(plan, { client, identified }, answer, state.durable.parameters);
  return [why === undefined ? { type: "accept", key, client, answer } : drop(key, client, "invalid", why)];
}

/** The deadline is a decision like any other: it names who is left out, and is durable before it counts. */
function judgeDeadline(state: EngineState, timer: string): Command[] {
  for (const progress of [state.open.fit, state.open.evaluate]) {
    if (progress === undefined || deadlineTimer(progress.key) !== timer) continue;
    const failures = outstanding(progress).map((client): Failure => {
      return { client, reason: "timeout", message: "no answer before the round's deadline" };
    });
    if (failures.length > 0) return [{ type: "drop", key: progress.key, failures }];
  }
  return [];
}

/** The wait for enough clients has its limit too; the run stays as it is and can be resumed. */
function judgeWaiting(plan: Plan, state: EngineState, timer: string): Command[] {
  const round = state.durable.round + 1;
  const [free, needed] = [reachable(plan, state), plan.strategy.selectFit.minAvailable];
  if (timer !== clientsTimer(round) || state.open.fit !== undefined || free >= needed) return [];
  return [{ type: "giveUp", message: `round ${round} needs ${needed} clients, and only ${free} came in time` }];
}

function progressFor(state: EngineState, key: RequestKey | undefined): PhaseProgress | undefined {
  return [state.open.fit, state.open.evaluate].find((progress) => sameQuestion(progress, key));
}

function drop(key: RequestKey, client: ClientId, reason: Failure["reason"], message: string): Command {
  return { type: "drop", key, failures: [{ client, reason, message }] };
}
