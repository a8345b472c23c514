// The append-only log of a directory: one file of frames, and a watch for anyone else who writes to it.
import { join } from "node:path";
import { FederationError } from "@perennial-fl/core";
import type { Disk, DiskEntry } from "./disk.js";
import { systemCode, writeFully } from "./disk.js";
import type { ParsedLog } from "./frames.js";
import { frame, parseLog } from "./frames.js";
import { step } from "./io-error.js";
import { readWhole } from "./read-file.js";
import { createTemporary } from "./replace-file.js";
import { serial } from "./serial.js";
import type { StorageLog } from "./storage.js";

const empty: ParsedLog = { records: [], checksum: 0, byteLength: 0, tail: "none" };

/** Parses the file of a log. Throws `checkpoint/corrupt` if an acknowledged record may be lost. */
export async function readLog(disk: Disk, directory: string, name: string): Promise<ParsedLog> {
  const bytes = await readWhole(disk, join(directory, name));
  if (bytes === undefined) return empty;
  const parsed = parseLog(bytes);
  if (parsed.tail === "damaged") {
    throw new FederationError(
      "checkpoint/corrupt",
      `the log ${join(directory, name)} is damaged after ${parsed.records.length} whole records, at byte ${parsed.byteLength}`,
    );
  }
  return parsed;
}

export async function openDirectoryLog(disk: Disk, directory: string, name: string): Promise<StorageLog> {
  const path = join(directory, name);
  const opened = await readLog(disk, directory, name);
  const records: Uint8Array[] = [...opened.records];
  let { checksum, byteLength } = opened;
  let identity = identityOf(await step("looking at", path, () => disk.stat(path)));
  /** Whether another writer has added a record that this one did not ask for. It then never writes again. */
  let superseded = false;
  /** After a failed or torn append the file is not appended to again: a new one takes its place. */
  let doubtful = opened.tail === "torn";
  /** Records whose append failed; one of them may be in the file all the same. */
  const attempted: Uint8Array[] = [];
  /** A removal was tried and may have happened, whatever the disk said of it. */
  let removing = false;

  const deposed = (at: number): FederationError =>
    new FederationError("storage/deposed", `another writer has gone on with the log ${path} at record ${at}`);

  const gone = (): FederationError => {
    superseded = true;
    return deposed(records.length);
  };

  /** Compares the file with what this log knows of it, and takes in records that were added. */
  const look = async (): Promise<void> => {
    if (superseded) return;
    const entry = await step("looking at", path, () => disk.stat(path));
    if (!doubtful && identityOf(entry) === identity && (entry?.byteLength ?? 0) === byteLength) return;
    if (entry === undefined && identity !== undefined) throw gone();
    const found = await readLog(disk, directory, name);
    const known = records.every((record, at) => sameBytes(record, found.records[at]));
    if (!known) throw gone();
    const added = found.records.slice(records.length);
    const own = added.length === 1 && attempted.some((each) => sameBytes(each, added[0]));
    if (added.length > 0 && !own) {
      // Someone else's: they are taken for what they are, and whoever asks for other ones is deposed.
      records.push(...added);
      ({ checksum, byteLength } = found);
      identity = identityOf(entry);
      superseded = true;
    }
    if (found.tail === "torn") doubtful = true;
  };

  /** The whole log in a new file, because pages that a failed sync left behind cannot be trusted. */
  const rewrite = async (...added: readonly Uint8Array[]): Promise<void> => {
    const temporary = await createTemporary(disk, directory, name);
    let running = 0;
    let length = 0;
    for (const each of [...records, ...added]) {
      const next = frame(each, running);
      await temporary.write(next.bytes);
      running = next.checksum;
      length += next.bytes.byteLength;
    }
    await temporary.publish(name);
    const entry = await step("looking at", path, () => disk.stat(path));
    [identity, checksum, byteLength] = [identityOf(entry), running, length];
  };

  const extend = async (record: Uint8Array): Promise<void> => {
    const next = frame(record, checksum);
    await step("appending to", path, async () => {
      const file = await disk.open(path, "write");
      try {
        await writeFully(file, next.bytes, byteLength);
        await file.sync();
      } finally {
        await file.close();
      }
    });
    checksum = next.checksum;
    byteLength += next.bytes.byteLength;
  };

  // A record whose sync failed is read back from the system's memory, and no later sync brings it to the device. So
  // nobody goes on with the file of a writer that ended before, but with a new one.
  if (records.length > 0) {
    try {
      await rewrite();
      doubtful = false;
    } catch (error) {
      // A full disk must not keep anyone from reading; the first append writes it all.
      if (!isOutOfRoom(error)) throw error;
      doubtful = true;
    }
  }

  const inTurn = serial();
  return {
    records,
    append: (at, record) =>
      inTurn(async () => {
        if (at >= records.length) await look();
        if (at < records.length) {
          if (!sameBytes(records[at], record)) throw deposed(at);
          if (at === records.length - 1) superseded = false;
          return;
        }
        if (superseded || at > records.length) throw deposed(records.length);
        const bytes = record.slice();
        const whole = doubtful || identity === undefined;
        doubtful = true;
        attempted.push(bytes);
        await (whole ? rewrite(bytes) : extend(bytes));
        records.push(bytes);
        doubtful = false;
        attempted.length = 0;
      }),
    clear: () =>
      inTurn(async () => {
        // A log that is gone after a removal that failed is gone by our own hand.
        const removed = removing && (await step("looking at", path, () => disk.stat(path))) === undefined;
        if (!removed) await look();
        if (superseded) throw deposed(records.length);
        if (identity !== undefined || doubtful) {
          if ((await step("looking at", path, () => disk.stat(path))) !== undefined) {
            removing = true;
            await step("removing", path, () => disk.unlink(path));
          }
        }
        records.length = 0;
        attempted.length = 0;
        [checksum, byteLength, identity, doubtful, removing] = [0, 0, undefined, false, false];
        await step("making durable the names in", directory, () => disk.syncDirectory(directory));
      }),
    close: () => inTurn(() => Promise.resolve()),
  };
}

function isOutOfRoom(error: unknown): boolean {
  const code = systemCode(error instanceof Error ? error.cause : undefined);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** The file itself: its inode alone could be another's, made after the first was removed. */
function identityOf(entry: DiskEntry | undefined): string | undefined {
  return entry === undefined ? undefined : `${entry.identity}:${entry.born}`;
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
