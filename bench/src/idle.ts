// Clients that are connected and wait: what each costs the server, and how many there can be.
import { median } from "./harness.js";
import type { Benchmark, Readings } from "./harness.js";
import { ownProgram } from "./federation.js";
import type { Process } from "./process.js";
import { startProcess } from "./process.js";
import { peerScript, pythonWith } from "./python.js";
import { makeScratch } from "./scratch.js";

const perProcess = 1250;
/** Flower's server has a worker for each client, and 1,000 of them. */
const flowersMost = 1000;
const rounds = 2;

/** Asks for more clients than come, so that all of them wait. */
async function measureIdle(server: Process, clients: number): Promise<Readings> {
  const started = [server];
  try {
    const { address } = await server.said<{ address: string }>();
    const before = await server.residentBytes();
    for (let left = clients; left > 0; left -= perProcess) {
      const holder = ownProgram("idle-clients.js", address, Math.min(left, perProcess));
      started.push(holder);
      await holder.said();
    }
    const readings: number[] = [];
    for (let i = 0; i < 3; i++) readings.push(await server.residentBytes());
    return [(median(readings) - before) / clients / 1000];
  } finally {
    for (const each of started) await each.end();
  }
}

export const idleBenchmark: Benchmark = {
  name: "server memory per idle client, 5000 (Flower: 1000)",
  measures: [{ name: "", unit: "KB", goal: { value: 40 } }],
  warmUps: 0,
  repetitions: { full: 3, quick: 1 },
  open: () =>
    Promise.resolve({
      async measure() {
        const scratch = await makeScratch();
        const setting = { stateDir: scratch.path, megabytes: 0.001, rounds, clients: 5001, tls: false };
        try {
          return await measureIdle(ownProgram("rounds-server.js", JSON.stringify(setting)), 5000);
        } finally {
          await scratch.remove();
        }
      },
      close: () => Promise.resolve(),
    }),
  peer: {
    name: "Flower",
    open: async () => {
      const { command } = await pythonWith("flwr");
      const script = [peerScript("flower_server.py"), "1000", String(rounds), String(flowersMost + 1)];
      return {
        measure: () => measureIdle(startProcess(command, script), flowersMost),
        close: () => Promise.resolve(),
      };
    },
  },
};
