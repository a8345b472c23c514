// Carries out the engine's commands, one after another, and reports what became of each.
// The order is the promise: a fact exists only once it is durable, and nothing is sent before the facts it rests on.
import { setImmediate as turn } from "node:timers/promises";
import { FederationError, assert, isFederationError, messageOf } from "@perennial-fl/core";
import type { AnswerTimes, Fleet, FleetEvent, Parameters } from "@perennial-fl/core";
import { parametersSha256InTurns } from "@perennial-fl/checkpointer";
import type { RoundJournal, TorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import type { OnnxModule } from "@perennial-fl/module";
import type { Aggregator } from "./aggregation/aggregator.js";
import { heldInMemory } from "./carried.js";
import { missing } from "./engine/asking.js";
import { moved } from "./engine/moving.js";
import { isFinished } from "./engine/progress.js";
import { step, stepFacts } from "./engine/step.js";
import type {
  Command,
  Durable,
  EngineEvent,
  EngineState,
  Fact,
  JournalledFact,
  Measured,
  Step,
} from "./engine/types.js";
import { toEntry } from "./journal-facts.js";
import type { Plan } from "./plan.js";
import { RoundClock } from "./round-times.js";
import type { ServerEvent } from "./server-event.js";
import { bytesNeeded, checkSpace } from "./space.js";

/** Everything a runner touches. */
export interface World {
  readonly fleet: Fleet;
  readonly journal: RoundJournal;
  /** Where results rest, for messages. Absent: nobody looks whether there is room for them. */
  readonly location?: string;
  /** Resolves when the per-round state is durable. */
  readonly save: (durable: Durable) => Promise<void>;
  /** Offered the global model after every round. Absent: the model is not checkpointed apart from the state. */
  readonly module?: OnnxModule;
  readonly checkpointers: readonly TorchModuleCheckpointer[];
  /** Aggregates elsewhere what it can. Absent: everything is aggregated here. */
  readonly aggregator?: Pick<Aggregator, "aggregate">;
  /** The server's own evaluation; called when the plan measures. */
  readonly evaluate?: (parameters: Parameters, round: number) => Measured | Promise<Measured>;
  readonly observe: (event: ServerEvent) => void;
  /** A steady clock in milliseconds; without one no round is timed. */
  readonly now?: () => number;
  /** For tests: called before and after every command, as `before open`, `after open`; throws to die there. */
  readonly failpoint?: (point: string) => void | Promise<void>;
}

type Accept = Extract<Command, { type: "accept" }>;
type Aggregation = Extract<Command, { type: "aggregate" }>;

/** Bounds the size of one record, and how long the first of its answers waits. */
const mostTogether = 64;

/** So many clients are asked in one turn of the event loop; what has come meanwhile is received before the next. */
const sendsPerTurn = 8;

/** Runs until the plan is fulfilled (`finished`), or stopped, or the fleet closes. Rejects if the disk fails. */
export async function runEngine(plan: Plan, initial: EngineState, world: World): Promise<"finished" | "stopped"> {
  let state = initial;
  const clock = world.now && new RoundClock(world.now);

  /** One event and all that follows from it, before the next is looked at. Resolves with whether the session is over. */
  const take = (event: EngineEvent): Promise<boolean> => follow(step(plan, state, event));

  const follow = async (next: Step): Promise<boolean> => {
    state = next.state;
    let over = false;
    let sent = 0;
    for (const command of next.commands) {
      if (command.type === "send" && ++sent % sendsPerTurn === 0) await turn();
      assert(command.type !== "accept", "answers come from the fleet, and are accepted together");
      await world.failpoint?.(`before ${command.type}`);
      const fact = await carryOut(command);
      await world.failpoint?.(`after ${command.type}`);
      if (command.type === "finish") over = true;
      if (fact !== undefined) over = (await take(fact)) || over;
    }
    return over;
  };

  /**
   * An event, and with an answer that is accepted those that are here already: one record, and so one sync, makes all of
   * them durable. No more than the phase still needs, so that a round that closes by a count has that count. Anything
   * else that comes, and a second answer of one client, waits until they are facts.
   */
  const takeTogether = async (first: FleetEvent): Promise<boolean> => {
    const together: Accept[] = [];
    let times: AnswerTimes | undefined;
    let most = mostTogether;
    for (let event: FleetEvent | undefined = first; event !== undefined; event = world.fleet.takeReply?.()) {
      const next = step(plan, state, event);
      const [command] = next.commands;
      if (command?.type !== "accept" || together.some(({ client }) => client === command.client)) {
        const over = await acceptAll(together, times);
        return (await take(event)) || over;
      }
      state = next.state;
      if (together.length === 0) most = Math.min(most, missing(plan, state, command.key.phase));
      together.push(command);
      if (event.type === "replied") times = event.times;
      if (together.length >= most) break;
    }
    return acceptAll(together, times);
  };

  const acceptAll = async (commands: readonly Accept[], times?: AnswerTimes): Promise<boolean> => {
    if (commands.length === 0) return false;
    const facts = commands.map((command) => ({ ...command, type: "accepted" as const }));
    await world.failpoint?.("before accept");
    await world.journal.append(await Promise.all(facts.map((fact) => toEntry(fact, world.journal))));
    await world.failpoint?.("after accept");
    if (commands.at(-1)?.key.phase === "fit") clock?.accepted(times);
    return follow(stepFacts(plan, state, facts));
  };

  const carryOut = async (command: Exclude<Command, Accept>): Promise<Fact | undefined> => {
    switch (command.type) {
      case "open":
        await checkRoom(command);
        if (command.key.phase === "fit") clock?.opened();
        return journalled({ ...command, type: "opened" });
      case "admit":
        return journalled({ ...command, type: "admitted" });
      case "drop":
        return journalled({ ...command, type: "dropped" });
      case "aggregate": {
        clock?.closed();
        const fact = moved(plan, state.durable, command, await aggregatedElsewhere(command));
        clock?.aggregated();
        return fact;
      }
      case "measure": {
        assert(world.evaluate, "a plan that measures has an evaluation");
        return { type: "measured", ...(await world.evaluate(command.parameters, command.round)) };
      }
      case "giveUp":
        throw new FederationError("server/clients", command.message);
      case "checkpoint":
        clock?.evaluated();
        await checkpointModule(world, state.durable.run, command);
        return { type: "checkpointed" };
      case "commit":
        return { type: "committed", durable: await commit(command) };
      case "send":
        world.fleet.send(command.client, command.instruction);
        return undefined;
      case "wait":
        world.fleet.wait(command.timer, command.ms);
        return undefined;
      case "report":
        world.observe(command.event);
        return undefined;
      case "finish":
        return undefined;
    }
  };

  const aggregatedElsewhere = async ({ contributions }: Aggregation): Promise<Parameters | undefined> => {
    // Updates that are scaled by their age are not those that the journal keeps.
    if (plan.strategy.late) return undefined;
    try {
      return await world.aggregator?.aggregate(plan.strategy.aggregate, contributions, state.durable.parameters);
    } catch (error) {
      // Whether a round is skipped must follow from its updates, and not from the fate of a thread: done again here.
      if (isFederationError(error, "strategy/failed")) return undefined;
      throw error;
    }
  };

  const checkRoom = async ({ key, cohort }: Extract<Command, { type: "open" }>): Promise<void> => {
    const { location, journal } = world;
    if (key.phase !== "fit" || location === undefined) return;
    const needed = bytesNeeded(cohort.length, state.durable.parameters, state.durable.strategyState);
    await checkSpace({ location, free: () => journal.free() }, key.round, needed, (space) => {
      world.observe({ type: "space", round: key.round, ...space });
    });
  };

  const journalled = async <F extends JournalledFact>(fact: F): Promise<F> => {
    await world.journal.append([await toEntry(fact, world.journal)]);
    return fact;
  };

  const commit = async ({ durable: decided, record }: Extract<Command, { type: "commit" }>): Promise<Durable> => {
    const durable = heldInMemory(decided);
    await world.save(durable);
    await world.failpoint?.("after save");
    // Only now: until the state is durable, the journal is all there is of the round.
    await world.journal.retire();
    const digest = await parametersSha256InTurns(durable.parameters);
    world.observe({
      type: "round-committed",
      round: record.round,
      outcome: record.outcome,
      answered: record.fit.answered.length,
      failed: record.fit.failures.filter(({ reason }) => reason !== "surplus").length,
      ...(record.loss === undefined ? {} : { loss: record.loss }),
      metrics: record.evaluate.metrics,
      parametersSha256: digest,
    });
    const times = clock?.committed();
    if (times) world.observe({ type: "round-timed", round: record.round, ...times });
    return durable;
  };

  if (!(await take({ type: "started" }))) {
    for await (const event of world.fleet.events()) {
      if (await takeTogether(event)) break;
    }
  }
  return isFinished(plan, state) ? "finished" : "stopped";
}

/** Offers the model to every checkpointer. One that fails is reported and does not stop the others, nor the round. */
async function checkpointModule(
  { module, checkpointers, observe }: World,
  run: string,
  { round, parameters, loss, metrics }: Extract<Command, { type: "checkpoint" }>,
): Promise<void> {
  if (module === undefined) return;
  const offered = module
    .withParameters(parameters)
    .withMetadata({ "perennial.run": run, "perennial.round": String(round) });
  for (const checkpointer of checkpointers) {
    try {
      await checkpointer.maybeCheckpoint(offered, loss, metrics);
    } catch (error) {
      observe({ type: "checkpoint-failed", round, path: checkpointer.checkpointPath, message: messageOf(error) });
    }
  }
}
