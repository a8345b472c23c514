// Finding a Python with Flower, and running peers in it. Nothing is installed here.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface Flower {
  readonly python: string;
  readonly version: string;
}

/** The Python that PERENNIAL_PYTHON or PATH names, if it has flwr; else the reason why not. */
export function findFlower(): Flower | string {
  const python = process.env["PERENNIAL_PYTHON"] ?? "python3";
  const probe = spawnSync(python, ["-c", "import importlib.metadata as m; print(m.version('flwr'))"], {
    encoding: "utf8",
  });
  if (probe.error) return `${python} cannot be run (${probe.error.message})`;
  if (probe.status !== 0) return `${python} has no flwr; name one that has with PERENNIAL_PYTHON`;
  return { python, version: probe.stdout.trim() };
}

/** One line of JSON that a peer printed. */
export type Said = Readonly<Record<string, unknown>>;

export interface Peer {
  readonly said: readonly Said[];
  readonly exited: Promise<number | null>;
  readonly errors: () => string;
  readonly kill: () => void;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a script of `peers/` and collects the JSON lines it prints. */
export function startPeer({ python }: Flower, script: string, ...args: string[]): Peer {
  const path = fileURLToPath(new URL(`../../interop/peers/${script}`, import.meta.url));
  const child = spawn(python, [path, ...args], { env: { ...process.env, FLWR_TELEMETRY_ENABLED: "0" } });
  running.add(child);
  const said: Said[] = [];
  let out = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (out + chunk.toString()).split("\n");
    out = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) said.push(JSON.parse(line) as Said);
  });
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => {
    child.on("close", (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return { said, exited, errors: () => errors, kill: () => child.kill("SIGKILL") };
}

/** Resolves once something listens at the address: a stock client tries only once. */
export async function accepts(address: string): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  for (let attempt = 0; attempt < 300; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), host, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => {
        resolve(false);
      });
    });
    if (open) return;
    await delay(100);
  }
  throw new Error(`nothing listens at ${address}`);
}
