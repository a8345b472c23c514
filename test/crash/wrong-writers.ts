// Writers that get it wrong, each in one way, and one that does not: what the explorer says of them proves the explorer.
import { join } from "node:path";
import type { Disk } from "@perennial-fl/checkpointer";
import type { Subject } from "./explore.js";
import { directory } from "./memory-disk.js";
import type { MemoryDisk } from "./memory-disk.js";
import { check } from "./subjects.js";

const path = (name: string): string => join(directory, name);
/** Three sectors, in each of which the step can be read. */
const contentsOf = (step: number): Uint8Array => new Uint8Array(1536).fill(step);

interface Writer {
  readonly name: string;
  readonly save: (disk: Disk, step: number) => Promise<void>;
  /** The step that is there; throws for a mixture. */
  readonly load: (disk: MemoryDisk) => number;
}

/** How a file gets its new contents. */
type Replace = (disk: Disk, name: string, bytes: Uint8Array) => Promise<void>;

function inPlace(sync: boolean): Replace {
  return async (disk, name, bytes) => {
    const there = (await disk.stat(path(name))) !== undefined;
    const file = there ? await disk.open(path(name), "write") : await disk.create(path(name));
    await file.write(bytes, 0);
    if (sync) await file.sync();
    await file.close();
    // The name is not what is wrong with these two.
    if (!there) await disk.syncDirectory(directory);
  };
}

function byRenaming(syncFile: boolean, syncDirectory: boolean): Replace {
  return async (disk, name, bytes) => {
    const temporary = path(`${name}.new`);
    if ((await disk.stat(temporary)) !== undefined) await disk.unlink(temporary);
    const file = await disk.create(temporary);
    await file.write(bytes, 0);
    if (syncFile) await file.sync();
    await file.close();
    await disk.rename(temporary, path(name));
    if (syncDirectory) await disk.syncDirectory(directory);
  };
}

function oneFile(name: string, replace: Replace): Writer {
  return {
    name,
    save: (disk, step) => replace(disk, "data", contentsOf(step)),
    load: (disk) => stepIn(disk, "data"),
  };
}

function twoFiles(name: string, replace: Replace): Writer {
  return {
    name,
    async save(disk, step) {
      await replace(disk, "data", contentsOf(step));
      await replace(disk, "meta", contentsOf(step));
    },
    load(disk) {
      const [data, meta] = [stepIn(disk, "data"), stepIn(disk, "meta")];
      if (data !== meta) throw new Error(`torn: the data is of step ${data}, what is said of it of step ${meta}`);
      return data;
    },
  };
}

function stepIn(disk: MemoryDisk, name: string): number {
  const bytes = disk.image().get(name);
  if (bytes === undefined) return 0;
  const [step = 0] = bytes;
  if (bytes.length !== contentsOf(step).length || bytes.some((byte) => byte !== step)) {
    throw new Error(`torn: ${name} holds neither the old contents nor the new ones`);
  }
  return step;
}

function subject({ name, save, load }: Writer): Subject {
  return {
    name,
    async write(disk, mark) {
      for (let step = 1; step <= 3; step++) {
        mark({ type: "offered", step });
        await save(disk, step);
        mark({ type: "acknowledged", step });
      }
    },
    async recover(disk, promised) {
      const found = load(disk);
      check(found, promised);
      await save(disk, found + 1);
      if (load(disk) !== found + 1) throw new Error("stuck: the next save is not found");
    },
  };
}

/** The letters are those of the literature of this project: `docs/durability.md`. */
export const wrongWriters: readonly Subject[] = [
  oneFile("A: writes over the file", inPlace(false)),
  oneFile("B: writes over the file and syncs it", inPlace(true)),
  oneFile("C: renames a new file that was not synced", byRenaming(false, false)),
  oneFile("D: does not sync the directory", byRenaming(true, false)),
  twoFiles("G: keeps what belongs together in two files", byRenaming(true, false)),
  twoFiles("H: keeps what belongs together in two files, each well written", byRenaming(true, true)),
].map(subject);

export const rightWriter: Subject = subject(oneFile("E: temporary, sync, rename, sync", byRenaming(true, true)));
