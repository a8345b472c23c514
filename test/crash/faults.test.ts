// Every call of the disk meets every fault, once and for good, in everything the checkpointer is used for.
// FAULTS=all tries every code; by default one of each kind, since the code of an error decides nothing but its words.
import { isFederationError } from "@perennial-fl/core";
import { expect } from "chai";
import { figure } from "../support/figures.js";
import type { Fault, FaultyDisk } from "./faulty-disk.js";
import { faultyDisk } from "./faulty-disk.js";
import { memoryDisk } from "./memory-disk.js";
import { check } from "./subjects.js";
import { storageOn, workloads } from "./workloads.js";
import type { Session, Workload } from "./workloads.js";

const all = process.env["FAULTS"] === "all";
const codes = all ? ["EIO", "ENOSPC", "EDQUOT", "EMFILE", "EACCES", "EROFS", "EINTR"] : ["EIO"];
const parts: Readonly<Record<string, (length: number) => number>> = {
  half: (length) => length >> 1,
  ...(all ? { "one byte": () => 1, "all but one byte": (length) => length - 1 } : {}),
};

const faults: readonly (readonly [name: string, Fault])[] = [
  ...codes.map((code) => [code, { type: "refused", code }] as const),
  ...codes.map((code) => [`${code} though it was done`, { type: "misreported", code }] as const),
  ...Object.entries(parts).map(([name, part]) => [`${name} at a time`, { type: "short", part }] as const),
];

describe("every call of the disk", () => {
  let cases = 0;
  after(() => {
    figure("calls x faults", { cases });
  });

  for (const workload of workloads) {
    for (const [name, fault] of faults) {
      for (const lasting of [false, true]) {
        it(`may meet ${name} ${lasting ? "for good" : "once"} in ${workload.name}`, async () => {
          for (let failing = 1, over = false; !over; failing++) {
            expect(failing, "the loop ends").to.be.lessThan(1000);
            over = await survives(workload, failing, fault, lasting);
            cases++;
          }
        });
      }
    }
  }
});

/** Whether the work was over before the failing call. */
async function survives(workload: Workload, failing: number, fault: Fault, lasting: boolean): Promise<boolean> {
  const what = `${workload.name}, call ${failing}`;
  const memory = memoryDisk();
  const disk = faultyDisk(memory, failing, fault, lasting);
  const worker = { offered: 0, acknowledged: 0, session: undefined as Session | undefined };
  await work(workload, disk, worker);
  const over = disk.calls < failing;
  const harmless = over || fault.type === "short" || !lasting;
  if (harmless) expect(worker.acknowledged, `${what}: one fault is got over`).to.equal(workload.steps);
  expect(disk.openFiles, `${what}: files left open`).to.equal(0);

  // Another process, on a disk that works, before anything is mended.
  const elsewhere = memoryDisk(memory.image());
  const other = await workload.open(storageOn(elsewhere, workload));
  check(other.found, worker);
  await other.take(other.found + 1);
  await other.close();

  // The same process, once the disk works again.
  disk.heal();
  await work(workload, disk, worker);
  expect(worker.acknowledged, `${what}: goes on once healed`).to.equal(workload.steps);
  await worker.session?.close();
  const lock = await storageOn(memory).lock();
  await lock.release();
  expect([...memory.image().keys()].filter((name) => name.startsWith(".tmp-"))).to.deep.equal([]);
  const last = await workload.open(storageOn(memory, workload));
  expect(last.found, `${what}: found at the end`).to.equal(workload.steps);
  await last.close();
  return over;
}

/** Takes the steps that are left, each at most three times. Every error must be one that callers can branch on. */
async function work(
  workload: Workload,
  disk: FaultyDisk,
  worker: { offered: number; acknowledged: number; session: Session | undefined },
): Promise<void> {
  for (let failures = 0; worker.acknowledged < workload.steps && failures < 3;) {
    try {
      worker.session ??= await workload.open(storageOn(disk, workload));
      const step = worker.acknowledged + 1;
      worker.offered = step;
      await worker.session.take(step);
      worker.acknowledged = step;
    } catch (error) {
      if (!isFederationError(error)) throw error;
      failures++;
    }
  }
}
