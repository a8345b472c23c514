// Blobs in recycled files: a slot is written over once nobody needs what it holds.
//
// Writing into pages and blocks that a file has already costs a fraction of a new file's: nothing is allocated, no name
// and no length changes, and so the sync has the bytes alone to bring to the device. A slot says nothing by itself.
// What it holds counts only through a durable record elsewhere that names it with its checksum; without one it is as
// good as empty, whatever its bytes. Slots belong to the storage that made them: one that is opened later removes them
// and never writes to them, so that a writer that was paused meanwhile cannot write over what another relies on.
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.js";
import { randomHex, writeFully } from "./disk.js";
import { creationError, ioError } from "./io-error.js";
import { slotName } from "./names.js";
import type { BlobWriter } from "./storage.js";

export interface RecycledSlots {
  createBlob(): BlobWriter;
  /** Whether a name is one of a slot that holds no blob: it is spare, or being written. */
  isEmpty(name: string): boolean;
  /** Takes back the slots among the names, to be written over from now on; gives the names that are none of ours. */
  recycle(names: readonly string[]): readonly string[];
  /** The slots that would be written over next. */
  spareNames(): readonly string[];
  /** Hands out the spare slots' names, which are then spare no more. */
  takeSpares(): readonly string[];
}

/** A slot that is being written. */
interface OpenSlot {
  readonly name: string;
  readonly file: DiskFile;
  /** Its name is not durable yet. */
  readonly isNew: boolean;
}

/** The slots of a directory, none at first. There come to be as many as blobs are needed at one time. */
export function recycledSlots(disk: Disk, directory: string): RecycledSlots {
  /** Every slot that this storage made, by what has become of it. */
  const slots = new Map<string, "spare" | "writing" | "full">();
  const spares: string[] = [];

  const create = async (): Promise<OpenSlot> => {
    const name = slotName(randomHex(disk, 16));
    try {
      slots.set(name, "writing");
      return { name, file: await disk.create(join(directory, name)), isNew: true };
    } catch (error) {
      slots.delete(name);
      throw creationError(directory, error);
    }
  };

  const open = async (): Promise<OpenSlot> => {
    for (let name = spares.pop(); name !== undefined; name = spares.pop()) {
      slots.set(name, "writing");
      try {
        return { name, file: await disk.open(join(directory, name), "write"), isNew: false };
      } catch {
        // Somebody has removed or replaced it. A new one does as well, and is created where nothing is.
        slots.delete(name);
      }
    }
    return create();
  };

  const recycleOne = (name: string): void => {
    slots.set(name, "spare");
    spares.push(name);
  };

  /** After a failed write or sync nobody knows what the file holds, nor whether it would take the next bytes. */
  const discard = async ({ name, file }: OpenSlot, isOpen = true): Promise<void> => {
    slots.delete(name);
    if (isOpen) await file.close().catch(() => undefined);
    await disk.unlink(join(directory, name)).catch(() => undefined);
  };

  const createBlob = (): BlobWriter => {
    let byteLength = 0;
    let opening: Promise<OpenSlot> | undefined;
    let ended = false;
    const slot = (): Promise<OpenSlot> => {
      if (ended) return Promise.reject(ioError("writing a blob in", directory, new Error("the blob is closed")));
      return (opening ??= open());
    };
    return {
      async write(chunk) {
        const held = await slot();
        try {
          await writeFully(held.file, chunk, byteLength);
        } catch (error) {
          ended = true;
          opening = undefined;
          await discard(held);
          throw ioError(`writing ${byteLength + chunk.byteLength} bytes to`, join(directory, held.name), error);
        }
        byteLength += chunk.byteLength;
      },
      async close() {
        const held = await slot();
        const { name, file, isNew } = held;
        ended = true;
        opening = undefined;
        let isOpen = true;
        try {
          await file.sync();
          isOpen = false;
          await file.close();
          // The name too, before anything refers to it; a recycled slot's has been durable since its first use.
          if (isNew) await disk.syncDirectory(directory);
        } catch (error) {
          await discard(held, isOpen);
          throw ioError("saving", join(directory, name), error);
        }
        slots.set(name, "full");
        return { name, byteLength };
      },
      async abort() {
        ended = true;
        const held = await opening?.catch(() => undefined);
        opening = undefined;
        if (held === undefined) return;
        // A slot whose name is not durable could be gone after a power loss with a record that names it.
        if (held.isNew) await discard(held);
        else {
          await held.file.close().catch(() => undefined);
          recycleOne(held.name);
        }
      },
    };
  };

  return {
    createBlob,
    isEmpty: (name) => slots.get(name) === "spare" || slots.get(name) === "writing",
    recycle: (names) =>
      names.filter((name) => {
        if (slots.get(name) === "full") recycleOne(name);
        return !slots.has(name);
      }),
    spareNames: () => [...spares],
    takeSpares() {
      const taken = spares.splice(0);
      for (const name of taken) slots.delete(name);
      return taken;
    },
  };
}
