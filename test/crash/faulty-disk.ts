// A disk over another one that fails at its N-th call, and knows which files were left open.
import type { Disk, DiskFile } from "@perennial-fl/checkpointer";
import { systemError } from "./memory-disk.js";

export type Fault =
  /** The call is not carried out (of a write, half is) and fails with this code. */
  | { readonly type: "refused"; readonly code: string }
  /** The call is carried out, and reported as failed: its outcome is unknown. */
  | { readonly type: "misreported"; readonly code: string }
  /** A write or read does a part of what was asked, and says so. */
  | { readonly type: "short"; readonly part: (length: number) => number };

export interface FaultyDisk extends Disk {
  readonly calls: number;
  readonly openFiles: number;
  /** From now on no call fails. */
  heal(): void;
}

/** Call number `failing` (from 1) meets the fault; with `lasting`, every later one too. */
export function faultyDisk(disk: Disk, failing: number, fault: Fault, lasting: boolean): FaultyDisk {
  let calls = 0;
  let openFiles = 0;
  let healed = false;
  const meets = (): boolean => {
    calls++;
    return !healed && (calls === failing || (lasting && calls > failing));
  };
  const call = async <T>(path: string, run: () => Promise<T>, refused?: () => Promise<unknown>): Promise<T> => {
    if (!meets() || fault.type === "short") return run();
    await (fault.type === "misreported" ? run() : refused?.());
    throw systemError(fault.code, path);
  };
  const transfer = (
    path: string,
    bytes: Uint8Array,
    run: (part: Uint8Array) => Promise<number>,
    refused: (half: Uint8Array) => Promise<unknown>,
  ): Promise<number> => {
    if (fault.type !== "short")
      return call(
        path,
        () => run(bytes),
        () => refused(bytes.subarray(0, bytes.length >> 1)),
      );
    return run(meets() ? bytes.subarray(0, Math.max(1, fault.part(bytes.length))) : bytes);
  };
  const wrapped = (path: string, file: DiskFile): DiskFile => {
    openFiles++;
    return {
      // What a full or broken device took before it failed stays in the file.
      write: (bytes, position) =>
        transfer(
          path,
          bytes,
          (part) => file.write(part, position),
          (half) => file.write(half, position),
        ),
      read: (target, position) =>
        transfer(
          path,
          target,
          (part) => file.read(part, position),
          () => Promise.resolve(),
        ),
      sync: () => call(path, () => file.sync()),
      stat: () => call(path, () => file.stat()),
      // The descriptor is gone even when the system reports an error.
      close: async () => {
        openFiles--;
        await call(
          path,
          () => file.close(),
          () => file.close(),
        );
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
    // A file that was opened and reported as not is the system's leak, not ours: it is not counted.
    create: async (path) => wrapped(path, await call(path, () => disk.create(path))),
    open: async (path, access) => wrapped(path, await call(path, () => disk.open(path, access))),
    readSync(path, target, position) {
      if (!meets()) return disk.readSync(path, target, position);
      if (fault.type !== "short") throw systemError(fault.code, path);
      return disk.readSync(path, target.subarray(0, Math.max(1, fault.part(target.length))), position);
    },
    rename: (from, to) => call(to, () => disk.rename(from, to)),
    unlink: (path) => call(path, () => disk.unlink(path)),
    readdir: (path) => call(path, () => disk.readdir(path)),
    stat: (path) => call(path, () => disk.stat(path)),
    checkWritable: (path) => call(path, () => disk.checkWritable(path)),
    syncDirectory: (path) => call(path, () => disk.syncDirectory(path)),
  };
}
