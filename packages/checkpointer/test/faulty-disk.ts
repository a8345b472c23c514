// A disk that fails at its N-th call, and knows which files were left open.
import type { Disk, DiskFile } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";

/** `short` writes a part, and goes on as a disk may; the others are the system's error codes. */
export type Fault = "EIO" | "ENOSPC" | "EACCES" | "short";

export interface FaultyDisk extends Disk {
  /** How many calls were made. */
  readonly calls: number;
  readonly openFiles: number;
  /** From now on no call fails. */
  heal(): void;
}

/** Call number `failing` (from 1) fails with `fault`; with `lasting`, every later one too. */
export function faultyDisk(failing: number, fault: Fault, lasting: boolean): FaultyDisk {
  let calls = 0;
  let openFiles = 0;
  let healed = false;
  const failsNow = (): boolean => {
    calls++;
    return !healed && (calls === failing || (lasting && calls > failing));
  };
  const call = async <T>(run: () => Promise<T>): Promise<T> => {
    if (failsNow() && fault !== "short") throw systemError(fault);
    return run();
  };
  const wrapped = (file: DiskFile): DiskFile => {
    openFiles++;
    return {
      write: (bytes, position) => {
        const fails = failsNow();
        if (!fails) return file.write(bytes, position);
        const part = bytes.subarray(0, Math.ceil(bytes.byteLength / 2));
        if (fault === "short") return file.write(part, position);
        // What a full or broken device took before it failed stays in the file.
        return file.write(part, position).then(() => Promise.reject(systemError(fault)));
      },
      read: (target, position) =>
        call(() => file.read(fault === "short" ? target.subarray(0, 1 + (target.length >> 1)) : target, position)),
      sync: () => call(() => file.sync()),
      stat: () => call(() => file.stat()),
      // The descriptor is gone even when the system reports an error.
      close: async () => {
        openFiles--;
        await file.close();
        await call(() => Promise.resolve());
      },
    };
  };
  return {
    get calls() {
      return calls;
    },
    get openFiles() {
      return openFiles;
    },
    heal: () => {
      healed = true;
    },
    create: (path) => call(async () => wrapped(await nodeDisk.create(path))),
    open: (path, access) => call(async () => wrapped(await nodeDisk.open(path, access))),
    readSync(path, target, position) {
      if (failsNow() && fault !== "short") throw systemError(fault);
      return nodeDisk.readSync(path, target, position);
    },
    rename: (from, to) => call(() => nodeDisk.rename(from, to)),
    unlink: (path) => call(() => nodeDisk.unlink(path)),
    readdir: (path) => call(() => nodeDisk.readdir(path)),
    stat: (path) => call(() => nodeDisk.stat(path)),
    checkWritable: (directory) => call(() => nodeDisk.checkWritable(directory)),
    syncDirectory: (directory) => call(() => nodeDisk.syncDirectory(directory)),
  };
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
