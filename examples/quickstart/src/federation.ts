// One federation in a folder: the commands of its server and clients, and its life from start to finish.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClientEvent, CommandEvent, ServerEvent } from "perennial-fl";
import { startPerennial } from "./child.js";
import type { Child } from "./child.js";
import { digitModel } from "./model.js";

export interface Plan {
  /** Made when the federation starts; its parent exists. */
  readonly folder: string;
  readonly rounds: number;
  readonly clients: number;
  readonly alpha: number;
  readonly seed: number;
}

export type ServerSaid = CommandEvent | ServerEvent;
export type ClientSaid = ClientEvent | CommandEvent;

export interface Federation {
  readonly plan: Plan;
  readonly address: string;
  readonly server: Child<ServerSaid>;
  /** By id. */
  readonly clients: ReadonlyMap<string, Child<ClientSaid>>;
}

export interface Observers {
  readonly server?: (event: ServerSaid) => void;
  readonly client?: (id: string, event: ClientSaid) => void;
}

const app = fileURLToPath(new URL("client.js", import.meta.url));

/** Where the server of a plan keeps its state. */
export function serverDirectory({ folder }: Plan): string {
  return join(folder, "server");
}

export function clientIds({ clients }: Plan): string[] {
  return Array.from({ length: clients }, (_, part) => `client-${part + 1}`);
}

/** Starts a server and its clients. */
export async function startFederation(plan: Plan, observers: Observers = {}): Promise<Federation> {
  await mkdir(plan.folder);
  await writeFile(join(plan.folder, "model.onnx"), digitModel(plan.seed).toBytes());
  const server = startServer(plan, "127.0.0.1:0", observers);
  const address = await boundAddress(server);
  const clients = new Map(clientIds(plan).map((id) => [id, startClient(plan, id, address, observers)]));
  return { plan, address, server, clients };
}

export function startServer(plan: Plan, address: string, observers: Observers = {}): Child<ServerSaid> {
  const { folder, rounds, clients, seed } = plan;
  const where = ["--module", join(folder, "model.onnx"), "--state-dir", serverDirectory(plan), "--address", address];
  const what = ["--rounds", String(rounds), "--min-clients", String(clients), "--seed", String(seed)];
  return startPerennial(["server", ...where, ...what, "--json"], observers.server);
}

export function startClient(plan: Plan, id: string, address: string, observers: Observers = {}): Child<ClientSaid> {
  const { folder, clients, alpha, seed } = plan;
  const part = clientIds(plan).indexOf(id);
  const own = ["--server", address, "--app", app, "--id", id, "--state-dir", join(folder, id), "--json"];
  const share = ["--part", String(part), "--parts", String(clients), "--alpha", String(alpha), "--seed", String(seed)];
  return startPerennial(["client", ...own, "--", ...share], (event) => observers.client?.(id, event));
}

async function boundAddress(server: Child<ServerSaid>): Promise<string> {
  const event = await server.until(({ type }) => type === "listening");
  return (event as Extract<ServerSaid, { type: "listening" }>).address;
}

/** Waits until server and clients have ended; resolves to the digest of the final model. Rejects as soon as one fails. */
export async function finish({ server, clients }: Federation): Promise<string> {
  await Promise.all([server, ...clients.values()].map((child) => child.ended));
  const event = await server.until(({ type }) => type === "finished");
  return (event as Extract<ServerSaid, { type: "finished" }>).parametersSha256;
}
