// After a kill: is everything that the dead server had acknowledged on its disk, whole?
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Phase } from "@perennial-fl/core";
import {
  PerRoundStateCheckpointer,
  directoryStorage,
  openRoundJournal,
  parametersSha256,
} from "@perennial-fl/checkpointer";
import type { JournalEntry, RoundJournal } from "@perennial-fl/checkpointer";
import { loadServerState } from "@perennial-fl/server";
import type { Durable, ServerEvent } from "@perennial-fl/server";
import { temporaryDirectory } from "../support/temporary.js";
import { checkpointDigests } from "./federation.js";

/** One acknowledgement that a server gave before it died. */
export type Acknowledged = Extract<ServerEvent, { type: "result-accepted" | "round-committed" }>;

export function isAcknowledgement(event: ServerEvent): event is Acknowledged {
  return event.type === "result-accepted" || event.type === "round-committed";
}

/**
 * Whether a warning tells of something that no kill may cause. A kill between the two renames of a save, which nobody
 * had been told of, leaves the generation before it: that is said, and is as it should be.
 */
export function isAlarming(message: string): boolean {
  return !message.endsWith("is missing; the generation before it is used");
}

/**
 * What is wrong in the directory, in words; nothing when it holds all that was acknowledged. Looks with the real
 * recovery code at a copy, so that looking heals nothing.
 */
export async function inspect(stateDir: string, acknowledged: readonly Acknowledged[]): Promise<string[]> {
  const copy = copyOf(stateDir);
  try {
    const wrong: string[] = [];
    const states = new PerRoundStateCheckpointer(copy, {
      report: (message) => {
        if (isAlarming(message)) wrong.push(message);
      },
    });
    await checkpointDigests(copy);
    const saved = await loadServerState(states);
    if (saved === undefined) return [...wrong, ...acknowledged.map(({ type }) => `${type}, and there is no state`)];
    const journal = await openRoundJournal(directoryStorage(copy));
    try {
      for (const event of acknowledged) wrong.push(...(await missing(event, saved.durable, journal)));
    } finally {
      await journal.close();
    }
    return wrong;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

async function missing(event: Acknowledged, durable: Durable, journal: RoundJournal): Promise<string[]> {
  const { round } = event;
  if (event.type === "round-committed") {
    if (durable.round < round) return [`round ${round} was committed, and the state is of round ${durable.round}`];
    if (durable.round > round || parametersSha256(durable.parameters) === event.parametersSha256) return [];
    return [`round ${round} was committed with other parameters than the state holds`];
  }
  const { phase, client } = event;
  const what = `${client}'s ${phase} of round ${round} was accepted`;
  if (durable.round >= round) {
    const record = durable.history[round - 1];
    return record?.[phase as Phase].answered.includes(client) ? [] : [`${what}, and the history does not have it`];
  }
  const entry = journal.entries.find((candidate) => accepts(candidate, durable.run, event));
  if (entry === undefined) return [`${what}, and neither state (round ${durable.round}) nor journal holds it`];
  const answer = entry["answer"] as JournalEntry;
  // Throws if the update's bytes are not those that were accepted.
  if (phase === "fit") await journal.stored(answer["update"] ?? null);
  return [];
}

function accepts(
  entry: JournalEntry,
  run: string,
  { round, phase, client }: Acknowledged & { phase: string; client: string },
): boolean {
  const key = entry["key"] as JournalEntry;
  const same = key["run"] === run && key["round"] === round && key["phase"] === phase;
  return entry["type"] === "accepted" && entry["client"] === client && same;
}

function copyOf(directory: string): string {
  const copy = join(temporaryDirectory(), "copy");
  mkdirSync(copy);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile()) copyFileSync(join(directory, entry.name), join(copy, entry.name));
  }
  return copy;
}
