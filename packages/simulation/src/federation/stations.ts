// The server and the clients of a simulated federation: the real ones, on virtual machines.
import { isFederationError, messageOf } from "@perennial-fl/core";
import { startClient } from "@perennial-fl/client";
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  directoryStorage,
} from "@perennial-fl/checkpointer";
import { startServer } from "@perennial-fl/server";
import { randomHex } from "../world/disk.js";
import type { Process, Scheduler } from "../world/scheduler.js";
import type { Unwillingness } from "../weather/weather.js";
import { server } from "../weather/weather.js";
import type { Ledger } from "./ledger.js";
import type { FederationPlan } from "./plan.js";
import { Station } from "./station.js";
import type { Ending, World } from "./station.js";
import { virtualClient } from "./virtual-client.js";

export interface StationsOptions {
  readonly world: World;
  readonly plan: FederationPlan;
  readonly seed: number;
  readonly ledger: Ledger;
  /** Whether all disks keep what they have reported as synced. */
  readonly honest: boolean;
}

/** What a disk may bring about, and an operator answers by starting again. */
const passing = ["storage/io", "storage/directory", "checkpoint/save-failed", "server/clients"];

/** A server whose operator can stop it, and a server that finds nothing whole to go on with says so in `refused`. */
export interface ServerStation {
  readonly station: Station;
  readonly stop: () => void;
  readonly refused: () => boolean;
}

export function serverStation({ world, plan, seed, ledger, honest }: StationsOptions): ServerStation {
  let stopping = new AbortController();
  let refused = false;
  // Updates this small rest in the journal; with every other seed they take the way of large ones all the same.
  const inSlots = seed % 2 === 0;
  const station = new Station({
    name: server,
    world,
    async live(process, disk) {
      stopping = new AbortController();
      const blobs = inSlots ? "recycled-slots" : "new-file";
      const storage = directoryStorage(disk.directory, { disk: disk.view(process), blobs });
      const report = (message: string): void => {
        world.tell(process.name, `warning: ${message}`);
      };
      const { finished } = await startServer({
        stateDir: disk.directory,
        storage,
        ...(inSlots && { heldBytes: 0 }),
        randomHex: (byteLength) => randomHex(world.draw, byteLength),
        numRounds: plan.numRounds,
        strategy: plan.strategy,
        initialModel: plan.model,
        seed,
        roundTimeoutMs: plan.roundTimeoutMs,
        rejoinTimeoutMs: 30_000,
        restartSeconds: 2,
        checkpointers: [
          new BestLossTorchModuleCheckpointer(disk.directory, "best.onnx", { storage, report }),
          new LatestTorchModuleCheckpointer(disk.directory, "latest.onnx", { storage, report }),
        ],
        signal: stopping.signal,
        openFleet: (openSink, run) => world.network.listen(process, openSink, run),
        observe: (event) => {
          world.tell(process.name, JSON.stringify(event));
          ledger.server(event);
        },
      });
      return finished ? "done" : "again";
    },
    died(error) {
      const corrupt = isFederationError(error) && error.code.startsWith("checkpoint/") && !honest;
      refused ||= corrupt;
      if (corrupt) return "done";
      return judge(error, server, ledger);
    },
  });
  const stop = (): void => {
    stopping.abort();
  };
  return { station, stop, refused: () => refused };
}

export interface ClientStationOptions extends StationsOptions {
  readonly id: string;
  readonly mood: () => Unwillingness | undefined;
  /** Fires when nobody will come any more. */
  readonly goHome: AbortSignal;
}

export function clientStation({ id, world, plan, ledger, honest, mood, goHome }: ClientStationOptions): Station {
  const { scheduler, network, draw } = world;
  const station: Station = new Station({
    name: id,
    world,
    async live(process, disk) {
      await startClient({
        clientId: id,
        storage: directoryStorage(disk.directory, { disk: disk.view(process) }),
        client: virtualClient({
          id,
          mood,
          work: (slow) => scheduler.sleep(slow ? plan.roundTimeoutMs * 1.5 : 10 + 2000 * draw.float() ** 3, process),
          trained: (made) => {
            ledger.trained(made);
          },
        }),
        connect: () => network.connect(process, id),
        // One of its own: a life that is cut short never takes its listeners away.
        signal: AbortSignal.any([goHome]),
        sleep: (ms, signal) => sleepUnlessAborted(scheduler, process, ms, signal),
        now: () => scheduler.nowMs,
        observe: (event) => {
          world.tell(process.name, JSON.stringify(event));
          ledger.client(id, event, disk.platter);
        },
      });
      return "done";
    },
    died(error) {
      if (honest || !isFederationError(error) || !error.code.startsWith("checkpoint/")) return judge(error, id, ledger);
      station.replaceDisk();
      return "again";
    },
  });
  return station;
}

function judge(error: unknown, who: string, ledger: Ledger): Ending {
  if (!isFederationError(error) || !passing.includes(error.code)) {
    ledger.wrong(`${who} died of ${isFederationError(error) ? error.code : "a mistake"}: ${messageOf(error)}`);
  }
  return "again";
}

function sleepUnlessAborted(scheduler: Scheduler, process: Process, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const awake = (): void => {
      signal.removeEventListener("abort", awake);
      resolve();
    };
    if (signal.aborted) awake();
    signal.addEventListener("abort", awake);
    scheduler.after(ms, process, awake);
  });
}
