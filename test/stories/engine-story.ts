// Plays a story against the pure engine: one line of text in, what the server does about it out.
import { float32, memoryResult, numberOf, packRecords, recordsEntry, unpackRecords } from "@perennial-fl/core";
import type { Instruction, RequestKey } from "@perennial-fl/core";
import { apply, initialState, moved, patience, step, stopTimer } from "@perennial-fl/server";
import type {
  Answer,
  Command,
  Durable,
  EngineEvent,
  EngineState,
  Fact,
  JournalledFact,
  Plan,
} from "@perennial-fl/server";
import { bulyan, fedAvg, fedAvgM, fedBuff, qFedAvg, scaffold } from "@perennial-fl/strategy";
import type { Contribution, Strategy } from "@perennial-fl/strategy";

const start: Durable = {
  run: "story",
  round: 0,
  attempt: 1,
  parameters: [float32([2], [0, 0])],
  strategyState: null,
  history: [],
  roster: [],
};

/** The lines that a server under this story says, for each line that happens to it. */
export function engineStory(settings: string): (line: string) => string[] {
  const plan = planOf(settings);
  let state = initialState({ ...start, strategyState: plan.strategy.move.init(start.parameters) });
  let journal: JournalledFact[] = [];
  const asked = new Map<string, RequestKey>();

  const take = (event: EngineEvent, said: string[]): void => {
    const { state: next, commands } = step(plan, state, event);
    state = next;
    for (const command of commands) {
      const line = describe(command);
      if (line !== undefined) said.push(line);
      if (command.type === "send" && "key" in command.instruction) {
        asked.set(command.client, command.instruction.key);
      }
      const fact = factOf(command);
      if (fact === undefined) continue;
      if ("key" in fact) journal.push(fact);
      if (fact.type === "committed") journal = [];
      take(fact, said);
    }
  };

  const factOf = (command: Command): Fact | undefined => {
    switch (command.type) {
      case "open":
        return { ...command, type: "opened" };
      case "accept":
        return { ...command, type: "accepted" };
      case "admit":
        return { ...command, type: "admitted" };
      case "drop":
        return { ...command, type: "dropped" };
      case "aggregate":
        return moved(plan, state.durable, command);
      case "measure":
        return { type: "measured", loss: 0.125, metrics: {} };
      case "checkpoint":
        return { type: "checkpointed" };
      case "commit":
        return { type: "committed", durable: command.durable };
      default:
        return undefined;
    }
  };

  const stop = (): string[] => {
    const said: string[] = [];
    take({ type: "elapsed", timer: stopTimer }, said);
    return said;
  };

  const restart = (): string[] => {
    const replayed = journal.reduce<EngineState>((held, fact) => apply(held, fact), initialState(state.durable));
    state = replayed;
    asked.clear();
    const said: string[] = [];
    take({ type: "started" }, said);
    return said;
  };

  return (line) => {
    if (line === "the server is stopped") return stop();
    if (line === "the server restarts") return restart();
    const said: string[] = [];
    take(eventOf(line, asked, state), said);
    return said;
  };
}

/** `rounds 2, clients 3, timeout 60, rejoin 300, fraction 0.5, evaluate 0, ...`: times in seconds, 2 clients by default. */
function planOf(settings: string): Plan {
  const given = new Map(settings.split(",").map((part) => part.trim().split(" ") as [string, string]));
  const number = (name: string, otherwise: number) => Number(given.get(name) ?? otherwise);
  return {
    numRounds: number("rounds", 1),
    seed: 1,
    rejoinTimeoutMs: 1000 * number("rejoin", 300),
    restartSeconds: 10,
    drainTimeoutMs: 5000,
    ...(given.has("skips") ? { maxSkippedRounds: number("skips", 1) } : {}),
    ...(given.has("wait") ? { waitTimeoutMs: 1000 * number("wait", 0) } : {}),
    ...(given.has("without") ? { criterion: (client: string) => client !== given.get("without") } : {}),
    ...(given.has("patience") ? { stopWhen: patience({ rounds: number("patience", 1) }) } : {}),
    ...(given.has("measures") ? { measures: true } : {}),
    ...(given.has("timeout") ? { roundTimeoutMs: 1000 * number("timeout", 0) } : {}),
    ...(given.has("norm") ? { maxUpdateNorm: number("norm", 1) } : {}),
    ...(given.has("cap") ? { maxExamples: { count: number("cap", 1), excess: "cap" } } : {}),
    ...(given.has("most") ? { maxExamples: { count: number("most", 1), excess: "reject" } } : {}),
    strategy: strategyOf(given, number),
  };
}

function strategyOf(given: ReadonlyMap<string, string>, number: (name: string, otherwise: number) => number): Strategy {
  const options = {
    minAvailableClients: number("clients", 2),
    minFitClients: number("fit", 2),
    minCompletion: number("completion", 0),
    fractionEvaluate: number("evaluate", 1),
    ...(given.has("epochs") ? { onFitConfig: (round: number) => ({ epochs: number("epochs", 1) * round }) } : {}),
    ...(given.has("epochs") ? { onEvaluateConfig: (round: number) => ({ steps: round }) } : {}),
  };
  if (given.has("buffer")) return fedBuff({ ...options, bufferSize: number("buffer", 2) });
  if (given.has("bulyan")) return bulyan({ ...options, minFitClients: number("clients", 3) });
  if (given.has("momentum"))
    return fedAvgM({ ...options, serverLearningRate: 2, serverMomentum: number("momentum", 0) });
  if (given.has("q")) return qFedAvg({ ...options, q: number("q", 0) });
  if (given.has("scaffold")) return scaffold({ ...options, population: number("scaffold", 2) });
  const late = given.get("late") === "stale" ? "stale" : "drop";
  return fedAvg({ ...options, late, fractionFit: number("fraction", 1), overSelection: number("over", 1) });
}

const verbs: readonly (readonly [RegExp, (match: RegExpExecArray, key: RequestKey | undefined) => EngineEvent])[] = [
  [
    /^(\S+) joins( anonymously)?$/,
    ([, client, anonymous]) => ({ type: "joined", client: client!, identified: !anonymous }),
  ],
  [/^(\S+) leaves$/, ([, client]) => ({ type: "left", client: client!, message: "connection lost" })],
  [
    /^(\S+) fits (-?[\d.]+) examples?(?: at loss (\S+))?(?: to ([^,]+))?(?:, (\S+) (.+))?$/,
    ([, client, n, loss, values, record, tensor], key) =>
      replied(client!, key, fitAnswer(Number(n), loss, values ?? "1 1", record, tensor)),
  ],
  [
    /^(\S+) evaluates (\d+) examples? with loss (\S+)$/,
    ([, client, n, loss], key) =>
      replied(client!, key, {
        type: "evaluate",
        numExamples: Number(n),
        loss: Number(loss),
        metrics: { accuracy: 1 - Number(loss) },
      }),
  ],
  [
    /^(\S+) refuses: (.+)$/,
    ([, client, message], key) => ({
      type: "replied",
      client: client!,
      ...(key && { key }),
      reply: { type: "refused", message: message! },
    }),
  ],
  [
    /^(\S+) sends rubbish$/,
    ([, client], key) => ({ type: "unreadable", client: client!, ...(key && { key }), message: "field 4 is cut off" }),
  ],
  [/^timer (\S+) elapses$/, ([, timer]) => ({ type: "elapsed", timer: timer! })],
];

function eventOf(line: string, asked: ReadonlyMap<string, RequestKey>, state: EngineState): EngineEvent {
  for (const [pattern, build] of verbs) {
    const match = pattern.exec(line);
    if (match) return build(match, asked.get(match[1]!));
  }
  throw new Error(`a story does not know "${line}" (round ${state.durable.round + 1})`);
}

function replied(client: string, key: RequestKey | undefined, reply: Answer): EngineEvent {
  return { type: "replied", client, ...(key && { key }), reply };
}

function fitAnswer(
  numExamples: number,
  loss: string | undefined,
  values: string,
  record?: string,
  tensor = "",
): Answer {
  const vector = (text: string) => float32([text.split(" ").length], text.split(" ").map(Number));
  const { tensors, entry } = packRecords([vector(values)], record === undefined ? {} : { [record]: [vector(tensor)] });
  const metrics = { ...(record !== undefined && entry), ...(loss !== undefined && { train_loss: Number(loss) }) };
  return { type: "fit", update: memoryResult(tensors), numExamples, metrics };
}

function describe(command: Command): string | undefined {
  switch (command.type) {
    case "open":
      return `open ${command.key.phase} of round ${command.key.round} for ${command.cohort.join(", ") || "nobody"}`;
    case "admit":
      return `admit the fit of ${command.late.client} for round ${command.late.round}, to count in round ${command.into}`;
    case "accept":
      return `accept the ${command.key.phase} of ${command.client}`;
    case "drop":
      return command.failures.map(({ client, reason, message }) => `drop ${client}, ${reason}: ${message}`).join("; ");
    case "aggregate":
      return `aggregate ${command.contributions.map(describeContribution).join(", ") || "nothing"}`;
    case "checkpoint":
      return `checkpoint the model at loss ${command.loss}`;
    case "commit":
      return `commit round ${command.record.round} as ${command.record.outcome}: model ${String(command.durable.parameters[0]?.data.join(" "))}`;
    case "send":
      return `send ${describeInstruction(command.instruction)} to ${command.client}`;
    case "wait":
      return `wait ${command.ms / 1000} s for ${command.timer}`;
    case "measure":
      return `measure model ${String(command.parameters[0]?.data.join(" "))}`;
    case "giveUp":
      return `give up: ${command.message}`;
    case "finish":
      return "finish";
    case "report": {
      const { event } = command;
      if (event.type === "waiting") return `say that ${event.available} of ${event.needed} clients are there`;
      if (event.type === "result-ignored") return `ignore the ${event.why} ${event.phase} of ${event.client}`;
      if (event.type === "warning") return `warn: ${event.message}`;
      return undefined;
    }
  }
}

function describeContribution({ client, numExamples, stale }: Contribution): string {
  return `${client} (${numExamples}${stale ? `, from round ${stale.round}` : ""})`;
}

function describeInstruction(instruction: Instruction): string {
  if (instruction.type === "reconnect")
    return instruction.seconds === 0 ? "goodbye" : `a request to come back in ${instruction.seconds} s`;
  if (instruction.type !== "fit" && instruction.type !== "evaluate") return instruction.type;
  const { model, records } = unpackRecords(instruction.parameters, instruction.config);
  const beside = Object.entries(records).map(([name, [tensor]]) => ` and ${name} ${String(tensor?.data.join(" "))}`);
  const config = Object.entries(instruction.config)
    .filter(([name]) => name !== recordsEntry)
    .map(([name, value]) => ` and ${name} ${String(numberOf(value))}`);
  return `${instruction.type} with model ${[String(model[0]?.data.join(" ")), ...beside, ...config].join("")}`;
}
