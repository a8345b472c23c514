// Finding a Python with what a peer needs, and running peers in it. Nothing is installed here.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { delimiter } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The interpreters to look at: those that the variables name, separated as in PATH, then `python3`. */
export function interpreters(...variables: readonly string[]): string[] {
  return [...variables.flatMap((name) => (process.env[name] ?? "").split(delimiter)), "python3"].filter(Boolean);
}

/** The first of the interpreters in which all of these packages can be imported. */
export function pythonWith(packages: readonly string[], among: readonly string[]): string | undefined {
  const program = packages.map((name) => `import ${name}`).join("\n");
  return among.find((python) => spawnSync(python, ["-c", program], { stdio: "ignore" }).status === 0);
}

/** The version of an installed distribution; `undefined` where it is not. */
export function versionOf(python: string, distribution: string): string | undefined {
  const program = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
  const { status, stdout } = spawnSync(python, ["-c", program, distribution], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
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

/** Starts a Python script, by default one of `peers/`, and collects the JSON lines it prints. */
export function startPeer(python: string, script: string, ...args: string[]): Peer {
  const path = fileURLToPath(new URL(script, new URL("../../interop/peers/", import.meta.url)));
  const child = spawn(python, [path, ...args], {
    env: { ...process.env, FLWR_TELEMETRY_ENABLED: "0", PYTHONDONTWRITEBYTECODE: "1" },
  });
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
