// Runs that must not begin, or must not go on: each says why, and leaves what is there as it was.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { float32 } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { ServerOptions } from "@perennial-fl/server";
import { byFraction, fedAdam, fedAvg, fedBuff, scaffold } from "@perennial-fl/strategy";
import { scriptedFleet } from "../support/scripted-fleet.js";
import { toyClients } from "../support/toy-clients.js";
import { filesLike, flipBit } from "./damage.js";
import { table } from "./table.js";

const overNetwork = (dir: string): ServerOptions => ({
  stateDir: dir,
  numRounds: 1,
  strategy: fedAvg(),
  initialModel: [float32([2], [1, 2])],
});

const plan = (dir: string): ServerOptions => ({
  ...overNetwork(dir),
  openFleet: (openSink) => scriptedFleet({ clients: toyClients(2), openSink, arrival: 1 }),
});

const starting = (options: Partial<ServerOptions>) => (dir: string) => startServer({ ...plan(dir), ...options });

/** Begins a run as planned, and goes on with it under other options. */
const resuming = (options: Partial<ServerOptions>, damage?: (dir: string) => void) => async (dir: string) => {
  await startServer(plan(dir));
  damage?.(dir);
  await startServer({ ...plan(dir), numRounds: 2, ...options });
};

/** Dies in the middle of the first round, and starts again over what `damage` left. */
const restarting = (damage: (dir: string) => void) => async (dir: string) => {
  const died = new Error("killed");
  const failpoint = (point: string): void => {
    if (point === "before aggregate") throw died;
  };
  // Updates this small would rest in the journal.
  await startServer({ ...plan(dir), heldBytes: 0, failpoint }).catch((error: unknown) => {
    if (error !== died) throw error;
  });
  damage(dir);
  await startServer(plan(dir));
};

const flip =
  (wanted: RegExp, share?: number) =>
  (dir: string): void => {
    for (const path of filesLike(dir, wanted)) flipBit(path, share);
  };

table("how a server is started", [
  {
    title: "for no rounds",
    act: starting({ numRounds: 0 }),
    code: "argument/invalid",
    message: "numRounds is a whole number from 1, not 0",
  },
  {
    title: "for half a round",
    act: starting({ numRounds: 1.5 }),
    code: "argument/invalid",
    message: "numRounds is a whole number from 1, not 1.5",
  },
  {
    title: "with a round that is over before it begins",
    act: starting({ roundTimeoutMs: -1 }),
    code: "argument/invalid",
    message: "roundTimeoutMs is a positive number of milliseconds, not -1",
  },
  {
    title: "with a seed that is no number",
    act: starting({ seed: NaN }),
    code: "argument/invalid",
    message: "seed is a whole number, not NaN",
  },
  {
    title: "with a bound that no update keeps",
    act: starting({ maxUpdateNorm: 0 }),
    code: "argument/invalid",
    message: "maxUpdateNorm is a number above 0, not 0",
  },
  {
    title: "with updates of at most no examples",
    act: starting({ maxExamples: { count: 0, excess: "cap" } }),
    code: "argument/invalid",
    message: "maxExamples.count is a whole number from 1, not 0",
  },
  {
    title: "with late updates under SCAFFOLD",
    act: () => scaffold({ late: "stale" } as object),
    code: "argument/invalid",
    message: "scaffold cannot count late updates: their variates have moved on",
  },
  {
    title: "with a buffer of nothing",
    act: () => fedBuff({ bufferSize: 0 }),
    code: "argument/invalid",
    message: "fedbuff's bufferSize is a whole number from 1, not 0",
  },
  {
    title: "with more clients than there are",
    act: () => byFraction({ fraction: 1.2, min: 1, minAvailable: 1 }),
    code: "argument/invalid",
    message: "a fraction of clients is from 0 to 1, not 1.2",
  },
  {
    title: "with a negative number of clients",
    act: () => fedAvg({ minAvailableClients: -2 }),
    code: "argument/invalid",
    message: "minAvailable is a number of clients from 1, not -2",
  },
  {
    title: "with a momentum that never fades",
    act: () => fedAdam({ beta1: 1 }),
    code: "argument/invalid",
    message: "fedadam's beta1 cannot be 1",
  },
  {
    title: "in a directory that is missing",
    act: (dir) => startServer(plan(join(dir, "missing"))),
    code: "storage/directory",
    message: "the directory DIR/missing does not exist, and is not created",
  },
  {
    title: "in a directory that is a file",
    act: (dir) => {
      writeFileSync(join(dir, "file"), "");
      return startServer(plan(join(dir, "file")));
    },
    code: "storage/directory",
    message: "the directory DIR/file is not a directory",
  },
  {
    title: "in a directory that cannot be written to",
    // Even root cannot make a file there.
    act: () => startServer(plan("/proc/sys")),
    code: "storage/directory",
    message: "the directory /proc/sys cannot be written to (EACCES: permission denied, access '/proc/sys')",
  },
  {
    title: "twice in one directory",
    act: (dir) =>
      startServer({
        ...plan(dir),
        openFleet: async () => {
          await startServer(plan(dir));
          throw new Error("a second server has started");
        },
      }),
    code: "storage/locked",
    message: "DIR is in use by process PID",
  },
  {
    title: "at a port that is in use",
    act: async (dir) => {
      const taken = createServer();
      await new Promise<void>((resolve) => {
        taken.listen(0, "127.0.0.1", () => {
          resolve();
        });
      });
      try {
        await startServer({ ...overNetwork(dir), address: `127.0.0.1:${(taken.address() as AddressInfo).port}` });
      } finally {
        taken.close();
      }
    },
    code: "server/address",
    message: "the server cannot listen at 127.0.0.1:PORT: listen EADDRINUSE",
  },
  {
    title: "at an address that is none",
    act: (dir) => {
      return startServer({ ...overNetwork(dir), address: "127.0.0.1:notaport" });
    },
    code: "server/address",
    message: "the server cannot listen at 127.0.0.1:notaport: it is no HOST:PORT",
  },
]);

const other = (change: string): string =>
  `DIR holds a run with ${change}; resume it with the old value or give the new run a directory of its own`;

table("how a run is resumed", [
  {
    title: "although there is none and one is required",
    act: starting({ resume: "require" }),
    code: "resume/nothing",
    message: "DIR holds no run to resume",
  },
  {
    title: "although it is never to be",
    act: resuming({ resume: "never" }),
    code: "plan/mismatch",
    message: "DIR holds run RUN after round 1, and this run is not to resume it; give it a directory of its own",
  },
  {
    title: "under another strategy",
    act: resuming({ strategy: fedAdam() }),
    code: "plan/mismatch",
    message: other("strategy fedavg, and this one has strategy fedadam"),
  },
  {
    title: "with another share of clients",
    act: resuming({ strategy: fedAvg({ fractionFit: 0.5 }) }),
    code: "plan/mismatch",
    message: other("fractionFit 1, and this one has fractionFit 0.5"),
  },
  {
    title: "under another seed",
    act: resuming({ seed: 7 }),
    code: "plan/mismatch",
    message: other("seed 0, and this one has seed 7"),
  },
  {
    title: "with another model",
    act: resuming({ initialModel: [float32([3], [1, 2, 3])] }),
    code: "plan/mismatch",
    message: other("tensors float32[2], and this one has tensors float32[3]"),
  },
  {
    title: "from states that are all damaged",
    act: resuming({}, flip(/^server-state/, 0.999)),
    code: "checkpoint/corrupt",
    message:
      "no generation of the state is valid: DIR/server-state is damaged: its digest does not match its bytes; DIR/server-state.previous is damaged: its digest does not match its bytes; to begin anew, move the damaged files away",
  },
  {
    title: "from a client's state",
    act: async (dir) => {
      await new PerRoundStateCheckpointer(dir).saveCheckpoint("server-state", { kind: "client-answer", schema: 1 });
      await startServer(plan(dir));
    },
    code: "checkpoint/corrupt",
    message: `server-state holds "client-answer" and not a server's state`,
  },
  {
    title: "from a state of a later version",
    act: async (dir) => {
      const later = { kind: "server-state", schema: 99 } as const;
      await new PerRoundStateCheckpointer(dir).saveCheckpoint("server-state", later);
      await startServer(plan(dir));
    },
    code: "checkpoint/newer-version",
    message: "server-state has schema 99, and this version of Perennial reads schemas up to 3: use a newer version",
  },
  {
    title: "from a journal with a damaged entry",
    act: restarting(flip(/journal/)),
    code: "checkpoint/corrupt",
    message: "the log DIR/round-journal is damaged after 1 whole records, at byte 245",
  },
  {
    title: "from a journal with a damaged update",
    act: restarting(flip(/\.blob$/)),
    code: "checkpoint/corrupt",
    message: "the result slot-RANDOM.blob is damaged: its CRC-32 is CRC32, and was CRC32 when it came in DIR",
  },
]);
