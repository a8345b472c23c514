// The example's Python client, and a Python that can run it.
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { mnistFiles } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import type { Part } from "./parts.js";

/** The Python that PERENNIAL_PYTHON names, or `python3`; `undefined` when it has no flwr and numpy. */
export function pythonWithFlower(): string | undefined {
  const python = process.env["PERENNIAL_PYTHON"] ?? "python3";
  return spawnSync(python, ["-c", "import flwr, numpy"], { stdio: "ignore" }).status === 0 ? python : undefined;
}

/** Runs a stock Flower client over its part of the training images. Rejects with what it said if it does not end well. */
export async function runFlowerClient(python: string, serverAddress: string, { first, count }: Part): Promise<void> {
  const script = fileURLToPath(new URL("../../flower_client.py", import.meta.url));
  const { images, labels } = mnistFiles("train");
  const options = { server: serverAddress, images, labels, first: `${first}`, count: `${count}` };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(python, [script, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, FLWR_TELEMETRY_ENABLED: "0" },
  });
  const kill = (): void => {
    child.kill();
  };
  process.once("exit", kill);
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  process.off("exit", kill);
  if (code !== 0) throw new Error(`the Flower client ended with ${code ?? "a signal"}: ${complaints.slice(-2000)}`);
}
