// The round journal: what it replays, which results it keeps, and who may go on with it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, float32, memoryResult, pour, tensor } from "@perennial-fl/core";
import type { Saved, SavedState, StoredResult, TensorSpan } from "@perennial-fl/core";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk } from "../src/disk.js";
import { frame, parseLog } from "../src/frames.js";
import type { BlobReference } from "../src/blob-reference.js";
import { journalName, openRoundJournal } from "../src/journal.js";
import type { RoundJournal } from "../src/journal.js";
import { memoryStorage } from "../src/memory-storage.js";
import { nodeDisk } from "../src/node-disk.js";
import type { Storage } from "../src/storage.js";
import { rejection, temporaryDirectory } from "./temporary.js";

const parameters = (value: number): ReturnType<typeof float32>[] => [
  float32([2, 2], [value, 1, 2, 3]),
  float32([], [value]),
];

/** A journal whose results all rest in blobs, however small. */
const openBlobJournal = (storage: Storage): Promise<RoundJournal> => openRoundJournal(storage, { heldBytes: 0 });

/** Stores a result and journals its reference. */
async function accept(journal: RoundJournal, client: string, value: number): Promise<void> {
  const result = await pour(parameters(value), journal.openSink(client, undefined));
  await journal.append([{ client, result: await journal.reference(result) }]);
}

const everywhere: readonly [string, () => Storage][] = [
  ["memory", memoryStorage],
  ["a directory", () => directoryStorage(temporaryDirectory())],
  ["a directory with recycled slots", () => directoryStorage(temporaryDirectory(), { blobs: "recycled-slots" })],
];

for (const [where, make] of everywhere) {
  describe(`the round journal in ${where}`, () => {
    for (const [size, open] of [
      ["small results in it", openRoundJournal],
      ["all results in blobs", openBlobJournal],
    ] as const) {
      describeResults(size, make, open);
    }
    it("removes results that no entry names when it is opened", async () => {
      const storage = make();
      const journal = await openBlobJournal(storage);
      await accept(journal, "a", 1);
      await pour(parameters(2), journal.openSink("b", undefined));
      expect(await storage.blobs()).to.have.lengthOf(2);
      const again = await openBlobJournal(storage);
      expect(await storage.blobs()).to.have.lengthOf(1);
      await again.stored(again.entries[0]?.["result"] ?? null);
    });

    it("is empty after it was cleared, and serves the next round", async () => {
      const storage = make();
      const journal = await openBlobJournal(storage);
      await accept(journal, "a", 1);
      await journal.clear();
      expect(journal.entries).to.be.empty;
      expect(await storage.blobs()).to.be.empty;
      await accept(journal, "a", 2);
      expect((await openBlobJournal(storage)).entries).to.have.lengthOf(1);
    });

    it("deposes a writer that was paused, even with the same entries", async () => {
      const storage = make();
      const paused = await openRoundJournal(storage);
      const next = await openRoundJournal(storage);
      await next.append([{ round: 1 }]);
      await rejection(paused.append([{ round: 1 }]), "storage/deposed");
      await rejection(paused.append([{ round: 2 }]), "storage/deposed");
      await rejection(paused.clear(), "storage/deposed");
      await next.append([{ round: 2 }]);
      expect((await openRoundJournal(storage)).entries).to.deep.equal([{ round: 1 }, { round: 2 }]);
    });

    it("leaves nothing of a sink that was aborted, or left open", async () => {
      const storage = make();
      const journal = await openBlobJournal(storage);
      const [aborted, left] = [journal.openSink("a", undefined), journal.openSink("b", undefined)];
      await aborted.write(Uint8Array.of(1));
      await aborted.abort(new Error("gone"));
      await left.write(Uint8Array.of(2));
      await journal.close();
      expect(await storage.blobs()).to.be.empty;
    });

    it("refuses what is not a reference, or leads outside its bytes", async () => {
      const journal = await openBlobJournal(make());
      const reference = (await journal.reference(memoryResult(parameters(1)))) as BlobReference;
      const far: SavedState = { ...(reference.spans[0] as SavedState), offset: 8 };
      const cases: Saved[] = [
        null,
        {},
        { ...reference, name: 1 },
        { ...reference, spans: [far] },
        { ...reference, byteLength: 8 },
      ];
      cases.push({ ...reference, name: `${"0".repeat(64)}.blob` }, { ...reference, sha256: "0" });
      for (const each of cases) await rejection(journal.stored(each), "checkpoint/corrupt");
    });
  });
}

function describeResults(size: string, make: () => Storage, open: (storage: Storage) => Promise<RoundJournal>): void {
  describe(`with ${size}`, () => {
    it("replays its entries, and gives back the results that they name", async () => {
      const storage = make();
      const journal = await open(storage);
      await journal.append([{ opened: 1, seed: 7n, loss: NaN }, { cohort: ["a", "b"] }]);
      await accept(journal, "a", 5);
      await journal.close();
      const again = await open(storage);
      expect(again.entries).to.deep.equal(journal.entries);
      expect(again.entries.slice(0, 2)).to.deep.equal([{ opened: 1, seed: 7n, loss: NaN }, { cohort: ["a", "b"] }]);
      const result = await again.stored(again.entries[2]?.["result"] ?? null);
      expect(result.tensors.map((_, i) => result.read(i))).to.deep.equal(parameters(5));
    });

    it("stores a result that came from elsewhere", async () => {
      const journal = await open(make());
      const reference = await journal.reference(memoryResult([float32([2], [NaN, 1])]));
      const result = await journal.stored(reference);
      expect(result.tensors).to.deep.equal([{ dtype: "float32", shape: [2], firstNonFinite: 0 }]);
      expect(result.read(0).data[1]).to.equal(1);
      expect(await journal.reference(result)).to.deep.equal(reference);
    });

    it("undoes column order and big-endian elements", async () => {
      const journal = await open(make());
      const sink = journal.openSink("a", undefined);
      // Columns first: 1 4, 2 5, 3 6, each with its bytes reversed.
      const bytes = bytesOf(tensor("int16", [6], Int16Array.of(1, 4, 2, 5, 3, 6))).slice();
      for (let at = 0; at < bytes.length; at += 2) bytes.subarray(at, at + 2).reverse();
      await sink.write(Uint8Array.of(9, ...bytes));
      const span: TensorSpan = {
        dtype: "int16",
        shape: [2, 3],
        offset: 1,
        byteLength: 12,
        fortranOrder: true,
        bigEndian: true,
      };
      const closed = await sink.close([span]);
      const kept: StoredResult = await journal.stored(await journal.reference(closed));
      for (const result of [closed, kept]) expect([...result.read(0).data]).to.deep.equal([1, 2, 3, 4, 5, 6]);
    });

    it("forgets a round that was retired with the next append, and until then shows it to whoever opens it", async () => {
      const storage = make();
      const journal = await open(storage);
      await accept(journal, "a", 1);
      await journal.retire();
      expect(journal.entries).to.be.empty;
      const seen = await open(storage);
      expect((await seen.stored(seen.entries[0]?.["result"] ?? null)).read(1)).to.deep.equal(parameters(1)[1]);
    });

    it("has nothing of a retired round when the next one has begun", async () => {
      const storage = make();
      const journal = await open(storage);
      await accept(journal, "a", 1);
      await journal.retire();
      await journal.append([{ round: 2 }]);
      expect(await storage.blobs()).to.be.empty;
      expect((await open(storage)).entries).to.deep.equal([{ round: 2 }]);
    });

    it("keeps what a round brought after the one before was retired, also when its bytes are the same", async () => {
      const storage = make();
      const journal = await open(storage);
      await accept(journal, "a", 1);
      await journal.retire();
      const early = await pour(parameters(1), journal.openSink("b", undefined));
      await journal.append([{ round: 2 }]);
      await journal.append([{ late: await journal.reference(early) }]);
      await accept(journal, "a", 3);
      expect(journal.entries).to.have.lengthOf(3);
      const again = await open(storage);
      expect(again.entries).to.deep.equal(journal.entries);
      for (const [at, name, value] of [
        [1, "late", 1],
        [2, "result", 3],
      ] as const) {
        expect((await again.stored(again.entries[at]?.[name] ?? null)).read(1)).to.deep.equal(parameters(value)[1]);
      }
    });

    it("leaves nothing of a retired round when it is closed", async () => {
      const storage = make();
      const journal = await open(storage);
      await accept(journal, "a", 1);
      await journal.retire();
      await journal.close();
      expect((await open(storage)).entries).to.be.empty;
      expect(await storage.blobs()).to.be.empty;
    });

    it("goes through many rounds, each with its own results alone", async () => {
      const storage = make();
      const journal = await open(storage);
      const rounds = 40;
      for (let round = 1; round <= rounds; round++) {
        await journal.append([{ round, filler: "x".repeat(70_000) }]);
        for (const client of ["a", "b"]) await accept(journal, client, round);
        expect(journal.entries).to.have.lengthOf(3);
        if (round < rounds) await journal.retire();
      }
      const again = await open(storage);
      expect(again.entries).to.deep.equal(journal.entries);
      const result = await again.stored(again.entries[2]?.["result"] ?? null);
      expect(result.read(1)).to.deep.equal(parameters(rounds)[1]);
    });
  });
}

describe("the round journal's files", () => {
  it("are one for two copies of a reply", async () => {
    const storage = directoryStorage(temporaryDirectory());
    const journal = await openBlobJournal(storage);
    await accept(journal, "a", 5);
    await pour(parameters(5), journal.openSink("a", undefined));
    expect(await storage.blobs()).to.have.lengthOf(1);
  });

  it("leave nothing behind when the round is cleared", async () => {
    const directory = temporaryDirectory();
    const journal = await openRoundJournal(directoryStorage(directory));
    await accept(journal, "a", 1);
    await journal.clear();
    expect(readdirSync(directory)).to.be.empty;
  });

  it("are one log over many rounds, which is begun anew when it has grown long", async () => {
    const created: string[] = [];
    const disk: Disk = {
      ...nodeDisk,
      create: (path) => {
        created.push(path);
        return nodeDisk.create(path);
      },
    };
    const directory = temporaryDirectory();
    const journal = await openRoundJournal(directoryStorage(directory, { disk }));
    const longest = 1.2 * 2 ** 20;
    for (let round = 1; round <= 40; round++) {
      await journal.append([{ round, filler: "x".repeat(100_000) }]);
      expect(readFileSync(join(directory, journalName)).byteLength).to.be.below(longest);
      await journal.retire();
    }
    expect(created).to.have.lengthOf(4);
  });

  it("say how much room there will be when a retired round is gone", async () => {
    const storage: Storage = { ...directoryStorage(temporaryDirectory()), free: () => Promise.resolve(1000) };
    const journal = await openBlobJournal(storage);
    await accept(journal, "a", 1);
    expect(await journal.free()).to.equal(1000);
    await journal.retire();
    expect(await journal.free()).to.equal(1000 + 20);
    await journal.append([{ round: 2 }]);
    expect(await journal.free()).to.equal(1000);
  });

  for (const blobs of ["new-file", "recycled-slots"] as const) {
    it(`are gone when their sink is aborted, or left open when the journal closes: ${blobs}`, async () => {
      const directory = temporaryDirectory();
      const journal = await openBlobJournal(directoryStorage(directory, { blobs }));
      const [aborted, left] = [journal.openSink("a", undefined), journal.openSink("b", undefined)];
      await aborted.write(Uint8Array.of(1));
      expect(readdirSync(directory)).to.have.lengthOf(1);
      await aborted.abort(new Error("gone"));
      expect(readdirSync(directory)).to.be.empty;
      await left.write(Uint8Array.of(2));
      expect(readdirSync(directory)).to.have.lengthOf(1);
      await journal.close();
      expect(readdirSync(directory)).to.be.empty;
    });
  }

  it("are refused when a result was damaged after it was stored", async () => {
    const directory = temporaryDirectory();
    const journal = await openBlobJournal(directoryStorage(directory));
    await accept(journal, "a", 1);
    const blob = readdirSync(directory).find((name) => name.endsWith(".blob")) ?? "";
    const bytes = readFileSync(join(directory, blob));
    bytes[3]! ^= 1;
    writeFileSync(join(directory, blob), bytes);
    const { message } = await rejection(journal.stored(journal.entries[0]?.["result"] ?? null), "checkpoint/corrupt");
    expect(message).to.contain(blob);
  });

  it("lose at most the append that was cut, wherever it was cut", async () => {
    const { directory, whole, ends } = await threeRecords();
    for (let length = 0; length < whole.byteLength; length++) {
      writeFileSync(join(directory, journalName), whole.subarray(0, length));
      const storage = directoryStorage(directory);
      const journal = await openRoundJournal(storage);
      expect(journal.entries).to.have.lengthOf(ends.filter((end) => end <= length).length);
      if (length % 17 !== 0) continue;
      await journal.append([{ after: length }]);
      expect((await openRoundJournal(storage)).entries.at(-1)).to.deep.equal({ after: length });
    }
  });

  it("are refused whichever bit of an acknowledged record was flipped", async () => {
    const { directory, whole } = await threeRecords();
    for (let bit = 0; bit < whole.byteLength * 8; bit++) {
      const damaged = whole.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(join(directory, journalName), damaged);
      await rejection(openRoundJournal(directoryStorage(directory)), "checkpoint/corrupt");
    }
  });

  it("of a later version are refused by name, and left as they are", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, journalName);
    const record = { schema: "3", term: "later", entries: [] };
    const later = frame(new TextEncoder().encode(JSON.stringify(record)), 0).bytes;
    writeFileSync(path, later);
    const { message } = await rejection(openRoundJournal(directoryStorage(directory)), "checkpoint/newer-version");
    expect(message).to.match(/has schema 3, and this version of Perennial reads schemas up to 2: use a newer version$/);
    expect(Uint8Array.from(readFileSync(path))).to.deep.equal(later);
  });

  it("are refused when a record is missing in the middle", () => {
    const records = ["a", "b", "c"].map((text) => new TextEncoder().encode(text));
    let checksum = 0;
    const frames = records.map((record) => {
      const made = frame(record, checksum);
      checksum = made.checksum;
      return made.bytes;
    });
    expect(parseLog(Buffer.concat(frames)).tail).to.equal("none");
    expect(parseLog(Buffer.concat([frames[0]!, frames[2]!])).tail).to.equal("damaged");
  });

  it("are taken for torn, not damaged, where a power loss left a sector of zeros", () => {
    const record = new Uint8Array(2000).fill(7);
    const { bytes } = frame(record, 0);
    expect(parseLog(bytes.slice().fill(0, 1024)).tail).to.equal("torn");
    expect(parseLog(bytes.slice().fill(1, 1024)).tail).to.equal("damaged");
  });
});

async function threeRecords(): Promise<{ directory: string; whole: Uint8Array; ends: number[] }> {
  const directory = temporaryDirectory();
  const journal = await openRoundJournal(directoryStorage(directory));
  const ends: number[] = [];
  for (const round of [1, 2, 3]) {
    await journal.append([{ round }]);
    ends.push(readFileSync(join(directory, journalName)).byteLength);
  }
  return { directory, whole: Uint8Array.from(readFileSync(join(directory, journalName))), ends };
}
