// Recycled slots: written over only when nobody needs what they hold, and never by a writer that was left behind.
import { readFileSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { float32, pour, sameTensor } from "@perennial-fl/core";
import type { Saved, Tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk, DiskFile } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";
import { openRoundJournal } from "../src/journal.js";
import type { RoundJournal } from "../src/journal.js";
import { rejection, temporaryDirectory } from "./temporary.js";

/** A tensor that only this client has, and only in this round. */
const updateOf = (round: number, client: number): Tensor =>
  float32(
    [500],
    Float32Array.from({ length: 500 }, (_, i) => 1000 * round + 10 * client + i / 512),
  );

const slotsIn = (directory: string): string[] => readdirSync(directory).filter((name) => name.startsWith("slot-"));

function openJournal(directory: string, disk: Disk = nodeDisk): Promise<RoundJournal> {
  return openRoundJournal(directoryStorage(directory, { disk, blobs: "recycled-slots" }), { heldBytes: 0 });
}

async function acceptAll(journal: RoundJournal, round: number, clients: number): Promise<void> {
  for (let client = 0; client < clients; client++) {
    const result = await pour([updateOf(round, client)], journal.openSink(`c${client}`, undefined));
    await journal.append([{ round, client, result: await journal.reference(result) }]);
  }
}

/** Each entry's result holds what its client sent in its round, and nothing older. */
async function checkAll(journal: RoundJournal): Promise<number> {
  for (const { round, client, result } of journal.entries) {
    const stored = await journal.stored(result as Saved);
    expect(sameTensor(stored.read(0), updateOf(Number(round), Number(client)))).to.equal(true);
  }
  return journal.entries.length;
}

describe("recycled slots", () => {
  it("are written over in the next round, without a new file, a new length or a new name", async () => {
    const calls: string[] = [];
    const traced: Disk = {
      ...nodeDisk,
      create: (path) => {
        calls.push(path.includes("slot-") ? "create slot" : "create");
        return nodeDisk.create(path);
      },
    };
    const directory = temporaryDirectory();
    const journal = await openJournal(directory, traced);
    for (let round = 1; round <= 3; round++) {
      await acceptAll(journal, round, 3);
      expect(await checkAll(journal)).to.equal(3);
      expect(slotsIn(directory)).to.have.lengthOf(3);
      await journal.clear();
    }
    expect(calls.filter((call) => call === "create slot")).to.have.lengthOf(3);
  });

  it("are not written over while the round that uses them is open, whatever was aborted meanwhile", async () => {
    const journal = await openJournal(temporaryDirectory());
    await acceptAll(journal, 1, 4);
    await journal.clear();
    await acceptAll(journal, 2, 2);
    const given = journal.openSink("late", undefined);
    await given.write(new Uint8Array(2000).fill(7));
    await given.abort(new Error("it left"));
    for (let client = 2; client < 6; client++) {
      const result = await pour([updateOf(2, client)], journal.openSink("c", undefined));
      await journal.append([{ round: 2, client, result: await journal.reference(result) }]);
    }
    expect(await checkAll(journal)).to.equal(6);
  });

  it("keep what is being written while the round before is cleared", async () => {
    const journal = await openJournal(temporaryDirectory());
    await acceptAll(journal, 1, 2);
    const late = journal.openSink("late", undefined);
    await late.write(new Uint8Array(16));
    await journal.clear();
    await acceptAll(journal, 2, 3);
    await late.write(new Uint8Array(16).fill(1));
    const result = await late.close([{ dtype: "uint8", shape: [32], offset: 0, byteLength: 32 }]);
    expect(result.read(0).data.at(-1)).to.equal(1);
    expect(await checkAll(journal)).to.equal(3);
  });

  it("that a record names are found by the next process, and refused when they hold anything else", async () => {
    const directory = temporaryDirectory();
    const journal = await openJournal(directory);
    await acceptAll(journal, 1, 2);
    await journal.clear();
    await acceptAll(journal, 2, 1);
    const next = await openJournal(directory);
    expect(await checkAll(next)).to.equal(1);
    const [slot = ""] = slotsIn(directory);
    const bytes = readFileSync(join(directory, slot));
    // As if the bytes of the round before had never been written over.
    bytes.set(new Uint8Array(updateOf(1, 0).data.buffer));
    writeFileSync(join(directory, slot), bytes);
    const last = await openJournal(directory);
    await rejection(last.stored(last.entries[0]?.["result"] ?? null), "checkpoint/corrupt");
  });

  it("are the storage's own: the next one removes those of the one before, and does not write to them", async () => {
    const directory = temporaryDirectory();
    const paused = await openJournal(directory);
    await acceptAll(paused, 1, 2);
    await paused.clear();
    const asleep = paused.openSink("asleep", undefined);
    await asleep.write(new Uint8Array(2000));
    const next = await openJournal(directory);
    expect(slotsIn(directory)).to.deep.equal([]);
    await acceptAll(next, 2, 2);
    await asleep.write(new Uint8Array(2000).fill(255));
    await rejection(asleep.close([]), "checkpoint/corrupt");
    expect(await checkAll(next)).to.equal(2);
  });

  it("serve a longer and a shorter update as well", async () => {
    const journal = await openJournal(temporaryDirectory());
    for (const length of [10, 100_000, 3]) {
      const sent = float32([length], new Float32Array(length).fill(length));
      const kept = await journal.reference(await pour([sent], journal.openSink("c", undefined)));
      expect(sameTensor((await journal.stored(kept)).read(0), sent)).to.equal(true);
      await journal.append([{ kept }]);
      await journal.clear();
    }
  });

  it("that somebody has removed are replaced, and all are gone when the journal is closed", async () => {
    const directory = temporaryDirectory();
    const journal = await openJournal(directory);
    await acceptAll(journal, 1, 2);
    await journal.clear();
    for (const slot of slotsIn(directory)) unlinkSync(join(directory, slot));
    await acceptAll(journal, 2, 2);
    expect(await checkAll(journal)).to.equal(2);
    await journal.clear();
    expect(slotsIn(directory)).to.have.lengthOf(2);
    await journal.close();
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it("whose writing failed take nothing more", async () => {
    let broken = false;
    const failing = (file: DiskFile): DiskFile => ({
      ...file,
      write: (bytes, at) => (broken ? Promise.reject(new Error("EIO")) : file.write(bytes, at)),
    });
    const create: Disk["create"] = async (path) => failing(await nodeDisk.create(path));
    const directory = temporaryDirectory();
    const journal = await openJournal(directory, { ...nodeDisk, create });
    const sink = journal.openSink("c", undefined);
    await sink.write(new Uint8Array(4));
    broken = true;
    await rejection(Promise.resolve(sink.write(new Uint8Array(4))), "storage/io");
    broken = false;
    await rejection(Promise.resolve(sink.write(new Uint8Array(4))), "storage/io");
    await rejection(sink.close([]), "storage/io");
    expect(slotsIn(directory)).to.be.empty;
  });

  it("that somebody has replaced with a link are not written through, and go with the round", async () => {
    const [directory, outside] = [temporaryDirectory(), join(temporaryDirectory(), "precious")];
    writeFileSync(outside, "precious");
    const journal = await openJournal(directory);
    await acceptAll(journal, 1, 1);
    await journal.clear();
    const [slot = ""] = slotsIn(directory);
    unlinkSync(join(directory, slot));
    symlinkSync(outside, join(directory, slot));
    await acceptAll(journal, 2, 1);
    expect(await checkAll(journal)).to.equal(1);
    await journal.clear();
    expect(readFileSync(outside, "utf8")).to.equal("precious");
    expect(slotsIn(directory)).to.have.lengthOf(1).and.to.not.include(slot);
  });

  it("that could not be given back are removed by whoever opens the journal next", async () => {
    const directory = temporaryDirectory();
    let broken = false;
    const unlink: Disk["unlink"] = (path) => (broken ? Promise.reject(new Error("EIO")) : nodeDisk.unlink(path));
    const storage = directoryStorage(directory, { disk: { ...nodeDisk, unlink }, blobs: "recycled-slots" });
    const journal = await openRoundJournal(storage, { heldBytes: 0 });
    await acceptAll(journal, 1, 2);
    await journal.clear();
    broken = true;
    await rejection(journal.close(), "storage/io");
    broken = false;
    expect(slotsIn(directory)).to.have.lengthOf(2);
    await openRoundJournal(storage);
    expect(slotsIn(directory)).to.be.empty;
  });

  it("that could be neither written nor removed go when the round is cleared", async () => {
    const directory = temporaryDirectory();
    let broken = false;
    const failing = (file: DiskFile): DiskFile => ({
      ...file,
      write: (bytes, at) => (broken ? Promise.reject(new Error("EIO")) : file.write(bytes, at)),
    });
    const journal = await openJournal(directory, {
      ...nodeDisk,
      create: async (path) => failing(await nodeDisk.create(path)),
      unlink: (path) => (broken ? Promise.reject(new Error("EIO")) : nodeDisk.unlink(path)),
    });
    await acceptAll(journal, 1, 1);
    broken = true;
    await rejection(pour([updateOf(1, 1)], journal.openSink("c", undefined)), "storage/io");
    broken = false;
    expect(slotsIn(directory)).to.have.lengthOf(2);
    await journal.clear();
    expect(slotsIn(directory)).to.have.lengthOf(1);
  });

  it("whose sync failed are never written to again", async () => {
    const directory = temporaryDirectory();
    let failing = false;
    const opened: string[] = [];
    const open: Disk["open"] = async (path, access) => {
      opened.push(path);
      const file = await nodeDisk.open(path, access);
      return { ...file, sync: () => (failing ? Promise.reject(new Error("EIO")) : file.sync()) };
    };
    const journal = await openJournal(directory, { ...nodeDisk, open });
    await acceptAll(journal, 1, 1);
    await journal.clear();
    const [slot = ""] = slotsIn(directory);
    failing = true;
    await rejection(pour([updateOf(2, 0)], journal.openSink("c", undefined)), "storage/io");
    failing = false;
    opened.length = 0;
    await pour([updateOf(2, 0)], journal.openSink("c", undefined));
    expect(opened.filter((path) => path.endsWith(slot))).to.deep.equal([]);
    expect(slotsIn(directory)).to.not.include(slot);
  });
});
