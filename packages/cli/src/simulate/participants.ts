// The virtual clients of `perennial simulate`: one dataset divided among clients of one module, or clients of an app.
import { join } from "node:path";
import { moduleClient, openTrainers } from "@perennial-fl/client";
import { FederationError } from "@perennial-fl/core";
import { evaluationGraph } from "@perennial-fl/module";
import type { Loss, OnnxModule, Optimizer } from "@perennial-fl/module";
import { partition } from "@perennial-fl/simulation";
import type { Part, PartitionRule, VirtualParticipant } from "@perennial-fl/simulation";
import { loadApp } from "../app.js";
import { readColumn } from "../data/csv.js";
import { openData } from "../data/open.js";
import type { DataArguments } from "../data/open.js";
import { datasetSha256, selected, split } from "../data/split.js";
import { readGiven } from "../given-file.js";
import { ensureStateDirectory } from "../state-directory.js";
import { ruleOf } from "./partition-options.js";
import type { PartitionArguments } from "./partition-options.js";

/** What a client has, as it is told before the first round. */
export interface Share {
  readonly client: string;
  readonly examples: number;
  /** How many examples of each class, where labels are classes. */
  readonly labels?: { readonly [label: string]: number };
  readonly keys?: readonly string[];
}

export interface Participants {
  readonly participants: readonly VirtualParticipant[];
  /** Empty for clients of an app, which have their data themselves. */
  readonly shares: readonly Share[];
  /** What shapes the results and must not change when the run is resumed. */
  readonly facts: { readonly [name: string]: string };
  close(): Promise<void>;
}

export interface TrainedHere extends PartitionArguments, Omit<DataArguments, "app" | "validationData"> {
  readonly dataApp?: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly atOnce: number;
}

export interface Training {
  readonly module: OnnxModule;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
}

/** Clients that train `module` on their parts of the data. Throws `argument/invalid` and `data/invalid`. */
export async function trainingParticipants(
  given: TrainedHere,
  { module, loss, optimizer }: Training,
  appArguments: readonly string[],
): Promise<Participants> {
  const rule = ruleOf(given);
  const { features, targets } = evaluationGraph(module, { loss, batchSize: 1 }).inputs;
  const { dataApp, key, seed, validation } = given;
  const ignore = [...(given.ignore ?? []), ...(key === undefined ? [] : [key])];
  const source = { ...given, ignore, validation: 0, ...(dataApp !== undefined && { app: dataApp }) };
  const { train: dataset } = await openData(source, { inputs: features, targets }, appArguments);
  const keys = key === undefined ? undefined : await keysOf(given, key);
  const labels = targets.dtype === "int64" ? Array.from(dataset.targets.data as ArrayLike<number>, Number) : undefined;
  const parts = partition(
    { count: dataset.inputs.shape[0] as number, ...(labels && { labels }), ...(keys && { keys }) },
    rule,
    // Whoever holds examples out to judge by has another one to train on.
    { clients: given.clients, seed, minSize: validation > 0 ? 2 : 1 },
  );
  const pool = await Promise.all(
    Array.from({ length: Math.min(given.atOnce, parts.length) }, () =>
      openTrainers({ module, loss, optimizer, threads: 1 }),
    ),
  );
  const participants = await Promise.all(
    parts.map(async (part, at): Promise<VirtualParticipant> => {
      const { train, validation: test } = split(selected(dataset, part.examples), validation, seed);
      const local = { train, ...(test && { test }), epochs: given.epochs, batchSize: given.batchSize, seed };
      const trainers = pool[at % pool.length];
      const client = await moduleClient({ module, loss, optimizer, ...local, ...(trainers && { trainers }) });
      return { id: idOf(at, parts.length), client };
    }),
  );
  return {
    participants,
    shares: parts.map((part, at) => shareOf(idOf(at, parts.length), part, labels, given.classes)),
    facts: { data: datasetSha256(dataset), partition: textOf(rule, given, parts.length) },
    close: async () => {
      await Promise.all(pool.map((trainers) => trainers.close()));
    },
  };
}

/** Clients of an app, each with a directory of its own; `{client}` and `{clients}` in its arguments are its number, from 0, and how many there are. */
export async function appParticipants(
  path: string,
  clients: number | undefined,
  stateDir: string,
  appArguments: readonly string[],
): Promise<Participants> {
  if (clients === undefined) throw new FederationError("argument/invalid", "--app needs --clients N");
  const make = await loadApp(path);
  const participants: VirtualParticipant[] = [];
  for (let at = 0; at < clients; at++) {
    const id = idOf(at, clients);
    const own = join(stateDir, id);
    await ensureStateDirectory(own);
    const given = appArguments.map((each) =>
      each.replaceAll("{client}", String(at)).replaceAll("{clients}", String(clients)),
    );
    participants.push({ id, client: await make({ id, stateDir: own, arguments: given }), stateDir: own });
  }
  return { participants, shares: [], facts: {}, close: () => Promise.resolve() };
}

async function keysOf({ data }: TrainedHere, key: string): Promise<readonly string[]> {
  if (data === undefined || !/\.(csv|txt)$/i.test(data)) {
    throw new FederationError(
      "argument/invalid",
      `--key ${key} names a column of a .csv, and the data are ${data ?? "an app's"}`,
    );
  }
  return readColumn(new TextDecoder().decode(await readGiven("--data", data)), key, "--key", `--data ${data}`);
}

function textOf({ type, ...rest }: PartitionRule, { seed, validation }: TrainedHere, clients: number): string {
  const options = Object.entries(rest).map(([name, value]) => ` ${name} ${String(value)}`);
  return `${type}${options.join("")} among ${clients}, seed ${seed}, ${validation} held out`;
}

/** Of one width, so that the order of names is the order of numbers. */
function idOf(at: number, clients: number): string {
  return `client-${String(at + 1).padStart(String(clients).length, "0")}`;
}

function shareOf(
  client: string,
  { examples, keys }: Part,
  labels: readonly number[] | undefined,
  classes: readonly string[] = [],
): Share {
  const counts: Record<string, number> = {};
  const numbers = Array.from(examples, (example) => labels?.[example] ?? 0).sort((a, b) => a - b);
  for (const number of numbers) {
    const label = classes[number] ?? String(number);
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return { client, examples: examples.length, ...(labels && { labels: counts }), ...(keys && { keys }) };
}
