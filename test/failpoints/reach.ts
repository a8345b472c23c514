// In a program: the failpoints themselves.
import { setTimeout as delay } from "node:timers/promises";
import { nodeDisk } from "@perennial-fl/checkpointer";
import type { Disk, DiskFile } from "@perennial-fl/checkpointer";
import { say } from "../kill/programs.js";
import type { Arming } from "./points.js";
import { isNext } from "./points.js";

const delayMs = 50;

/** Said by a program before it does what it is armed to do. */
export interface Fired {
  readonly type: "fired";
  readonly point: string;
}

/** To be awaited at every point; throws there if that is what is to happen. */
export type Reach = (point: string) => Promise<void>;

export function arm({ action, points }: Arming): Reach {
  let waiting = points;
  return async (point) => {
    if (!isNext(point, waiting)) return;
    waiting = waiting.filter((other) => other !== point);
    say({ type: "fired", point } satisfies Fired);
    switch (action) {
      case "kill":
        process.kill(process.pid, "SIGKILL");
        return new Promise(() => undefined);
      case "pause":
        // The parent continues it.
        process.kill(process.pid, "SIGSTOP");
        return;
      case "delay":
        await delay(delayMs);
        return;
      case "error":
        throw new Error(`failpoint ${point}`);
    }
  };
}

/** Puts points before and after the calls of this process's disk that change something or open a file. */
export function armDisk(whose: string, reach: Reach): void {
  const disk: Disk = { ...nodeDisk };
  const at = async (point: string): Promise<void> => {
    try {
      await reach(`${whose}: ${point}`);
    } catch (error) {
      throw Object.assign(new Error(`EIO: i/o error, ${point}`, { cause: error }), { code: "EIO" });
    }
  };
  const around = async <T>(call: string, run: () => Promise<T>): Promise<T> => {
    await at(`before ${call}`);
    const result = await run();
    await at(`after ${call}`);
    return result;
  };
  const watched = (file: DiskFile): DiskFile => ({
    ...file,
    write: (bytes, position) => around("write", () => file.write(bytes, position)),
    sync: () => around("sync", () => file.sync()),
    close: () => around("close", () => file.close()),
  });
  Object.assign(nodeDisk, {
    ...disk,
    create: (path) => around("create", async () => watched(await disk.create(path))),
    open: (path, access) => around("open", async () => watched(await disk.open(path, access))),
    rename: (from, to) => around("rename", () => disk.rename(from, to)),
    unlink: (path) => around("unlink", () => disk.unlink(path)),
    syncDirectory: (directory) => around("syncDirectory", () => disk.syncDirectory(directory)),
  } satisfies Disk);
}
