// What was promised, by whom, and whether it still holds: the safety of a simulation, looked at after every event.
import { keyText, messageOf, sameKey, sameTensor } from "@perennial-fl/core";
import type { Parameters, RequestKey } from "@perennial-fl/core";
import { decodeModule, decodeState, journalName, parametersSha256 } from "@perennial-fl/checkpointer";
import type { ClientEvent } from "@perennial-fl/client";
import { serverStateOf, stateName } from "@perennial-fl/server";
import type { Durable, ServerEvent } from "@perennial-fl/server";
import type { Platter } from "../world/platter.js";
import { Reference } from "./reference.js";
import type { ReferenceOptions } from "./reference.js";
import type { Trained } from "./virtual-client.js";

export interface LedgerOptions extends ReferenceOptions {
  /** Whether all disks keep what they have reported as synced. */
  readonly honest: boolean;
  /** The server's disk. */
  readonly platter: () => Platter;
  /** Whether the weather has cleared for good. */
  readonly clear: () => boolean;
}

/** What came of a question: the first outcome stands. */
type Outcome = "accepted" | "failed";

type EventOf<T extends ServerEvent["type"]> = Extract<ServerEvent, { type: T }>;

export class Ledger {
  readonly violations: string[] = [];
  /** Committed rounds by number, and whether any update counted. */
  readonly committed = new Map<number, "committed" | "skipped">();
  accepted = 0;
  /** Outcomes of the rounds that were committed since the weather has cleared. */
  readonly #since: string[] = [];
  readonly #options: LedgerOptions;
  readonly #made = new Map<string, Trained[]>();
  readonly #given = new Set<string>();
  #outcomes = new Map<string, Outcome>();
  #reference: Reference;
  #run: string | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#reference = new Reference(options);
  }

  /** A client has trained. Until it has forgotten a state, the same question leads to the same update. */
  trained(made: Trained): void {
    const known = this.#madeFor(made.key, made.client, parametersSha256(made.given));
    const same = known.some((each) => each.numExamples === made.numExamples && equal(each.update, made.update));
    if (same) return;
    if (this.#options.honest && known.length > 0) this.wrong(`${made.client} trained twice for ${keyText(made.key)}`);
    known.push(made);
  }

  /** Rounds that the run's state held, and that were recomputed. */
  get rounds(): number {
    return this.#reference.round;
  }

  /** How many rounds were committed since the weather has cleared. */
  get roundsSince(): number {
    return this.#since.length;
  }

  client(id: string, event: ClientEvent, platter: Platter): void {
    if (!this.#options.honest || event.type !== "answered" || event.key === undefined || event.question !== "fit")
      return;
    const key = `${id} ${keyText(event.key)}`;
    if (this.#given.has(key) && !event.fromStore)
      this.wrong(`${id} had answered ${keyText(event.key)} and trained again`);
    this.#given.add(key);
    if (!this.#keeps(platter, event.key)) this.wrong(`${id} answered before its answer was durable`);
  }

  /** Whether a client's disk holds its answer, whatever happens to its power. */
  #keeps(platter: Platter, key: RequestKey): boolean {
    const files = platter.names().filter((name) => name.startsWith("client-fit-") && platter.isDurable(name));
    return files.some((name) => {
      const answered = decodeState(platter.find(name)?.bytes ?? new Uint8Array(), name).state["key"];
      return answered !== null && sameKey(answered as unknown as RequestKey, key);
    });
  }

  server(event: ServerEvent): void {
    switch (event.type) {
      case "started":
        this.#begin(event.run);
        return;
      case "resumed":
        this.#resumed(event);
        return;
      case "client-asked":
        this.#asked(event);
        return;
      case "result-accepted":
        this.#acceptedResult(event);
        return;
      case "client-failed":
        this.#outcome(event, "failed");
        return;
      case "round-committed":
        this.#committedRound(event);
        return;
      default:
        return;
    }
  }

  #begin(run: string): void {
    if (this.#run === run) return;
    // A disk that lied may have nothing left; then nobody can know that there was a run.
    if (this.#run !== undefined && this.#options.honest)
      this.wrong(`run ${this.#run} was begun, and run ${run} took its place`);
    this.#run = run;
    this.#reference = new Reference(this.#options);
    this.#forgetAfter(0);
  }

  #resumed({ round, roundOpen, parametersSha256: digest }: EventOf<"resumed">): void {
    const last = Math.max(0, ...this.committed.keys());
    if (this.#options.honest) {
      if (round < last) this.wrong(`round ${last} was committed, and the server resumed after round ${round}`);
      const open = [...this.#outcomes.keys()].filter((key) => key.startsWith(`${round + 1} `));
      if (open.length > 0 && !roundOpen) this.wrong(`lost: the outcomes of ${open.join(", ")}`);
    } else {
      this.#forgetAfter(round);
    }
    // A commit may be durable and not acknowledged.
    this.#follow();
    const expected = this.#reference.parametersAfter(round);
    if (expected !== undefined && parametersSha256(expected) !== digest)
      this.wrong(`resumed with another model than that of round ${round}`);
  }

  #asked(event: EventOf<"client-asked">): void {
    const outcome = this.#outcomes.get(questionOf(event));
    if (outcome !== undefined) this.wrong(`${questionOf(event)} was ${outcome}, and is asked again`);
  }

  #acceptedResult(event: EventOf<"result-accepted">): void {
    this.accepted++;
    this.#outcome(event, "accepted");
    if (!this.#options.honest) return;
    const platter = this.#options.platter();
    if (!platter.isDurable(journalName)) this.wrong(`${questionOf(event)} was accepted before the journal was durable`);
    const journal = Buffer.from(platter.find(journalName)?.bytes ?? new Uint8Array());
    // What an earlier round names may be written over by now.
    const open = journal.subarray(Math.max(0, journal.lastIndexOf('"anew":true')));
    const named = platter.names().filter((name) => name.endsWith(".blob") && open.includes(name));
    const lacking = named.find((name) => !platter.isDurable(name));
    if (lacking !== undefined) this.wrong(`${questionOf(event)} was accepted before the update was durable`);
  }

  #outcome(event: EventOf<"result-accepted" | "client-failed">, outcome: Outcome): void {
    const question = questionOf(event);
    const before = this.#outcomes.get(question);
    if (before !== undefined) this.wrong(`${question} was ${before}, and is ${outcome} now`);
    this.#outcomes.set(question, outcome);
  }

  #committedRound({ round, outcome }: EventOf<"round-committed">): void {
    if (this.committed.has(round)) this.wrong(`round ${round} was committed twice`);
    this.committed.set(round, outcome);
    if (this.#options.clear() && this.#since.push(outcome) === 2 && !this.#since.includes("committed")) {
      this.wrong("the weather has cleared, and in two rounds no update has counted");
    }
    if (this.#options.honest && !this.#options.platter().isDurable(stateName))
      this.wrong(`round ${round} was committed before its state was durable`);
    this.#follow();
  }

  /** Recomputes every round that the state holds and was not followed yet, and looks at the newest module. */
  #follow(): void {
    const platter = this.#options.platter();
    const bytes = platter.find(stateName)?.bytes;
    if (bytes === undefined) return;
    const durable = this.#decode(bytes);
    if (durable === undefined) return;
    const digest = parametersSha256(durable.parameters);
    for (const record of durable.history.slice(this.#reference.round)) {
      const made = (client: string, given: string): readonly Trained[] =>
        this.#madeFor({ run: durable.run, round: record.round, attempt: 1, phase: "fit" }, client, given);
      if (record.round < durable.round) {
        this.wrong(`round ${record.round} was passed over`);
        return;
      }
      const problem = this.#reference.follow(record, digest, made);
      if (problem !== undefined) this.wrong(problem);
    }
    this.#checkModule(durable);
  }

  /** Where disks do not keep their word, a damaged state is the server's to notice. */
  #decode(bytes: Uint8Array): Durable | undefined {
    try {
      return serverStateOf(decodeState(bytes, stateName).state, stateName).durable;
    } catch (error) {
      if (this.#options.honest) this.wrong(messageOf(error));
      return undefined;
    }
  }

  /** The newest module is that of the round that it names. */
  #checkModule({ round }: Durable): void {
    const bytes = this.#options.platter().find("latest.onnx")?.bytes;
    if (bytes === undefined || !this.#options.honest) return;
    const { record, parameters } = decodeModule(bytes, "latest.onnx");
    const expected = this.#reference.parametersAfter(record?.round ?? -1);
    if (expected !== undefined && !equal(expected, parameters))
      this.wrong(`latest.onnx names round ${record?.round}, and holds another model`);
    if ((record?.round ?? 0) > round + 1)
      this.wrong(`latest.onnx is of round ${record?.round}, and round ${round} is committed`);
  }

  #forgetAfter(round: number): void {
    for (const each of this.committed.keys()) if (each > round) this.committed.delete(each);
    this.#outcomes = new Map([...this.#outcomes].filter(([question]) => Number(question.split(" ")[0]) <= round));
    this.#reference.forgetAfter(round);
  }

  #madeFor(key: RequestKey, client: string, given: string): Trained[] {
    const name = `${client} ${keyText(key)} ${given}`;
    const known = this.#made.get(name) ?? [];
    this.#made.set(name, known);
    return known;
  }

  /** Something that must not be. */
  wrong(what: string): void {
    this.violations.push(what);
  }
}

function questionOf({ round, phase, client }: EventOf<"client-asked" | "result-accepted" | "client-failed">): string {
  return `${round} ${phase} ${client}`;
}

function equal(a: Parameters, b: Parameters): boolean {
  return a.length === b.length && a.every((tensor, i) => sameTensor(tensor, b[i] as typeof tensor));
}
