// Verifies a state directory: every file, and whether the files belong together. Changes nothing.
import { join } from "node:path";
import {
  describePath,
  directoryStorage,
  isHeld,
  journalName,
  problemOf,
  referencesIn,
} from "@perennial-fl/checkpointer";
import type { FileDescription, JournalDescription, StateDescription } from "@perennial-fl/checkpointer";
import { FederationError } from "@perennial-fl/core";
import type { RequestKey } from "@perennial-fl/core";
import { keyOfEntry } from "./journal-facts.js";
import { stateName } from "./server-state.js";

export interface Finding {
  readonly path: string;
  readonly problem: string;
}

export interface Verification {
  readonly directory: string;
  /** Files that were read in full and checked against their digests. */
  readonly files: number;
  /** Results of the open round whose bytes were checked against the journal. */
  readonly results: number;
  /** Empty if everything is whole and belongs together. */
  readonly findings: readonly Finding[];
  /** What is no damage, and is put right by the next session. */
  readonly notes: readonly string[];
}

/**
 * Reads everything in the state directory of a server or a client. To be trusted only while nobody writes there: what
 * a running server replaces meanwhile may be found missing. Throws `checkpoint/missing` and
 * `argument/invalid` where there is no directory.
 */
export async function verifyDirectory(directory: string): Promise<Verification> {
  const described = await describePath(directory);
  if (described.kind !== "directory") {
    throw new FederationError("argument/invalid", `${directory} is not a directory: inspect it`);
  }
  const { files, temporaries } = described;
  const storage = directoryStorage(directory);
  const states = files.filter((file) => file.kind === "state" && file.state["kind"] === "server-state");
  const newest = stateAt(states, join(directory, stateName));
  const findings: Finding[] = files.flatMap(invalid);
  const notes = temporaries.map((name) => `${name} was left half-written by a process that was killed`);

  for (const state of states) findings.push(...foreign(state as StateDescription, newest));
  findings.push(...chain(newest, stateAt(states, join(directory, `${stateName}.previous`))));

  const journal = files.find((file) => file.kind === "journal");
  let results = 0;
  if (journal?.kind === "journal") {
    if (journal.torn) notes.push(`the last append to ${journalName} was cut off; it was never acknowledged`);
    const round = belonging(journal, newest);
    findings.push(...round.findings);
    notes.push(...round.notes);
    // What a stale journal names may be gone already.
    for (const reference of round.open ? referencesIn(journal.entries) : []) {
      results++;
      const problem = await problemOf(reference, storage);
      if (problem !== undefined) {
        findings.push({ path: join(directory, isHeld(reference) ? journalName : reference.name), problem });
      }
    }
  }
  const checked = files.filter(({ kind }) => kind !== "unknown").length;
  return { directory, files: checked, results, findings, notes };
}

function invalid(file: FileDescription): Finding[] {
  return file.kind === "invalid" ? [{ path: file.path, problem: file.problem }] : [];
}

function stateAt(states: readonly FileDescription[], path: string): StateDescription | undefined {
  return states.find((state): state is StateDescription => state.path === path && state.kind === "state");
}

/** A state of another run, or of another round than its name says. */
function foreign(state: StateDescription, newest: StateDescription | undefined): Finding[] {
  const { path, run = "", round } = state;
  if (newest !== undefined && run !== newest.run) {
    return [{ path, problem: `it is of run ${run}, and the newest state of run ${String(newest.run)}` }];
  }
  const named = /\.round-(\d+)$/.exec(path)?.[1];
  return named === undefined || Number(named) === round
    ? []
    : [{ path, problem: `its name says round ${named}, and it is of round ${String(round)}` }];
}

/** Each state names the digest of the one before it. */
function chain(newest: StateDescription | undefined, previous: StateDescription | undefined): Finding[] {
  if (newest === undefined || previous === undefined || newest.previousDigest === previous.digest) return [];
  return [
    {
      path: previous.path,
      problem: `it is not the state that ${stateName} followed: its digest is ${previous.digest}, and ${newest.previousDigest} is named`,
    },
  ];
}

interface Belonging {
  /** Whether the journal is of the round that comes next, so that its results count. */
  readonly open: boolean;
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
}

/** How a journal stands to the state beside it. */
function belonging({ path, entries }: JournalDescription, state: StateDescription | undefined): Belonging {
  const first = entries[0];
  if (first === undefined) return { open: false, findings: [], notes: [] };
  if (state === undefined) {
    return {
      open: true,
      findings: [{ path, problem: "it is the journal of an open round without a state" }],
      notes: [],
    };
  }
  const { run, round, attempt }: RequestKey = keyOfEntry(first);
  if (run !== state.run) {
    return {
      open: false,
      findings: [{ path, problem: `it is of run ${run}, and the state of run ${String(state.run)}` }],
      notes: [],
    };
  }
  const current = state.state["attempt"] ?? 1;
  if (round === (state.round ?? 0) + 1 && attempt === current) return { open: true, findings: [], notes: [] };
  return {
    open: false,
    findings: [],
    notes: [`${journalName} is of round ${round}, attempt ${attempt}, which is over; the next session clears it`],
  };
}
