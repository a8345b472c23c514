// The workloads as subjects of the explorer: what recovery must find, and that life goes on from there.
import type { Subject } from "./explore.js";
import type { MemoryDisk } from "./memory-disk.js";
import { storageOn } from "./workloads.js";
import type { Workload } from "./workloads.js";

export function subjectOf(workload: Workload): Subject {
  return {
    name: workload.name,
    async write(disk, mark) {
      const session = await workload.open(storageOn(disk, workload));
      for (let step = 1; step <= workload.steps; step++) {
        mark({ type: "offered", step });
        await session.take(step);
        mark({ type: "acknowledged", step });
      }
      await session.close();
    },
    async recover(disk, promised) {
      const found = await next(workload, disk);
      check(found, promised);
      const after = await next(workload, disk);
      if (after !== found + 1) throw new Error(`stuck: step ${found + 1} was saved, and step ${after} was found`);
    },
  };
}

export function check(found: number, { offered, acknowledged }: { offered: number; acknowledged: number }): void {
  if (found < acknowledged) throw new Error(`lost: step ${acknowledged} was acknowledged, and step ${found} was found`);
  if (found > offered) throw new Error(`invented: step ${found} was found, and only ${offered} were begun`);
}

/** One life of a process: takes the lock (which sweeps), recovers, and takes the next step. Gives what it had found. */
async function next(workload: Workload, disk: MemoryDisk): Promise<number> {
  const storage = storageOn(disk, workload);
  const lock = await storage.lock();
  try {
    const session = await workload.open(storage);
    const left = [...disk.image().keys()].filter((name) => name.startsWith(".tmp-"));
    if (left.length > 0) throw new Error(`left over after recovery: ${left.join(", ")}`);
    const { found } = session;
    // What one recovery has found, the next must find too.
    disk.mark({ type: "acknowledged", step: found });
    disk.mark({ type: "offered", step: found + 1 });
    await session.take(found + 1);
    disk.mark({ type: "acknowledged", step: found + 1 });
    await session.close();
    return found;
  } finally {
    await lock.release();
  }
}
