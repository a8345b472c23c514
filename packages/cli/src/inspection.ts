// What `perennial inspect` tells of files: facts for programs, and the same as lines for people. Pure.
import { describeTensor } from "@perennial-fl/core";
import type { Saved } from "@perennial-fl/core";
import type {
  DirectoryDescription,
  FileDescription,
  ModuleDescription,
  NamedTensor,
  StateDescription,
} from "@perennial-fl/checkpointer";
import type { Obstacle, Trainability } from "@perennial-fl/module";
import { historyOfLines } from "@perennial-fl/server";
import type { History } from "@perennial-fl/server";
import { privacySpent } from "@perennial-fl/strategy";
import { paint, percent } from "./table.js";

/** One object a file, with the same names whatever it is; what does not apply is absent. */
export interface Facts {
  readonly path: string;
  /** `directory`, `journal`, `module`, `server-state`, `client-answer`, another kind that a state names, `unknown` or `invalid`. */
  readonly kind: string;
  readonly valid: boolean;
  readonly problem?: string;
  readonly run?: string;
  readonly round?: number;
  readonly loss?: number;
  readonly accuracy?: number;
  readonly score?: number;
  readonly checkpointer?: string;
  readonly parametersSha256?: string;
  readonly tensors?: readonly string[];
  /** Of a module: whether it can be trained here, what stands in the way of it, and what is good to know. */
  readonly trainable?: boolean;
  readonly obstacles?: readonly Obstacle[];
  readonly notes?: readonly string[];
  /** Whatever else is known, by name. */
  readonly details?: { readonly [name: string]: number | string };
}

/** The facts of a description; those of a directory come before those of its files. */
export function factsOf(description: DirectoryDescription | FileDescription): Facts[] {
  if (description.kind !== "directory") return [fileFacts(description)];
  const { path, kind, files, blobs, temporaries } = description;
  const details = {
    files: files.length,
    "results of the open round": blobs.length,
    "left half-written": temporaries.length,
  };
  const facts = files.map(fileFacts);
  return [{ path, kind, valid: facts.every(isSound), details }, ...facts];
}

export function isSound({ valid }: Facts): boolean {
  return valid;
}

/** The facts of a module, and whether it can be trained. */
export function withTrainability(facts: Facts, { trainable, obstacles, notes }: Trainability): Facts {
  return { ...facts, trainable, obstacles, notes };
}

function fileFacts(file: FileDescription): Facts {
  switch (file.kind) {
    case "invalid":
      return { path: file.path, kind: "invalid", valid: false, problem: file.problem };
    case "unknown":
      return { path: file.path, kind: "unknown", valid: true };
    case "journal":
      return {
        path: file.path,
        kind: "journal",
        valid: true,
        details: { entries: file.entries.length, "torn last append": file.torn ? "yes, never acknowledged" : "no" },
      };
    case "module":
      return moduleFacts(file);
    case "state":
      return stateFacts(file);
  }
}

function moduleFacts(file: ModuleDescription): Facts {
  const { path, kind, run, round, loss, score, checkpointer, parametersSha256, tensors, format, sealed } = file;
  return {
    path,
    kind,
    valid: true,
    ...given({ run, round, loss, score, checkpointer }),
    parametersSha256,
    tensors: tensors.map(tensorText),
    details: { format, digest: sealed ? "matches" : "none: not written by a checkpointer" },
  };
}

/** A state says itself what it is, in its entry `kind`: the server's, or an answer in a client's store. */
function stateFacts(file: StateDescription): Facts {
  const { path, state, parametersSha256, tensors, generation } = file;
  const last = lastRound(state["history"]);
  const question = record(state["key"]);
  const { run = text(state["run"]), round = number(question?.["round"]) } = file;
  const details = {
    generation,
    digest: "matches",
    ...given({
      privacySpent: privacyText(state["strategyState"]),
      phase: text(question?.["phase"]),
      client: text(state["clientId"]),
      answer: text(record(state["reply"])?.["type"]),
      // Of a local training: the epochs that are done, and the steps of the one under way.
      epochs: number(record(state["cursor"])?.["epoch"]),
      steps: number(record(state["cursor"])?.["step"]),
    }),
  };
  return {
    path,
    kind: text(state["kind"]) ?? "state",
    valid: true,
    ...given({ run, round, ...last, parametersSha256 }),
    tensors: tensors.map(tensorText),
    details,
  };
}

/** At the δ that most reports use; for another one the state is read by a program. */
const delta = 1e-5;

function privacyText(strategyState: Saved | undefined): string | undefined {
  const epsilon = strategyState === undefined ? undefined : privacySpent(strategyState, delta);
  return epsilon === undefined ? undefined : `epsilon ${epsilon.toPrecision(4)} at delta ${delta}`;
}

/** States of a schema before 3 hold their history as values. */
function lastRound(saved: Saved | undefined): { loss: number | undefined; accuracy: number | undefined } {
  const history = saved instanceof Uint8Array ? historyOfLines(saved) : Array.isArray(saved) ? (saved as History) : [];
  const last = history.at(-1);
  return { loss: last?.loss, accuracy: last?.evaluate.metrics["accuracy"] };
}

/** Lines for a person, a paragraph a file. */
export function inspectionLines(facts: readonly Facts[], color: boolean): string[] {
  return facts.flatMap((fact, i) => [...(i === 0 ? [] : [""]), ...paragraph(fact, color)]);
}

function paragraph(fact: Facts, color: boolean): string[] {
  const {
    path,
    kind,
    valid,
    problem,
    run,
    round,
    loss,
    accuracy,
    score,
    checkpointer,
    parametersSha256,
    tensors,
    trainable,
    obstacles = [],
    notes = [],
    details,
  } = fact;
  const verdict =
    kind === "unknown"
      ? "none of ours"
      : valid
        ? paint("green", "valid", { color })
        : paint("red", "not usable", { color });
  const rows = {
    problem,
    run,
    round,
    loss,
    accuracy: accuracy === undefined ? undefined : percent(accuracy),
    score,
    checkpointer,
    ...details,
    parametersSha256,
    trainable: trainable === undefined ? undefined : trainable ? "yes" : "no, because of:",
  };
  return [
    `${paint("bold", path, { color })}: ${kind}, ${verdict}`,
    ...Object.entries(given(rows)).map(([name, value]) => `  ${name}: ${value}`),
    ...obstacles.flatMap(({ where, why, remedy }) => [
      `    ${paint("red", where, { color })}: ${why}`,
      `      what to do: ${remedy}`,
    ]),
    ...notes.map((note) => `  ${paint("yellow", "note", { color })}: ${note}`),
    ...(tensors === undefined || tensors.length === 0 ? [] : [`  tensors: ${tensors.length}`]),
    ...(tensors ?? []).map((tensor) => `    ${tensor}`),
  ];
}

function tensorText(tensor: NamedTensor): string {
  return `${tensor.name} ${describeTensor(tensor)}`;
}

/** The entries that have a value. */
function given<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function record(value: Saved | undefined): { readonly [key: string]: Saved } | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
    ? (value as { readonly [key: string]: Saved })
    : undefined;
}

function text(value: Saved | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: Saved | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
