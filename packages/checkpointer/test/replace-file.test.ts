// Whole files in pieces: all of them, in order, and nothing left behind by those that failed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";
import { rejection, temporariesIn, temporaryDirectory } from "./temporary.js";

/** Pieces of these lengths, no two bytes in a row alike. */
function piecesOf(lengths: readonly number[]): Uint8Array[] {
  let next = 0;
  return lengths.map((length) => Uint8Array.from({ length }, () => next++ % 251));
}

const full = (): Promise<never> => Promise.reject(Object.assign(new Error("no space left"), { code: "ENOSPC" }));

describe("a file that is written in pieces", () => {
  for (const lengths of [
    [],
    [0],
    [10, 70_000, 3, 65_536, 65_537, 5],
    [40_000, 40_000, 40_000, 0, 100_000],
    [100_000, 65_536, 1],
    [65_535, 1, 1],
    Array<number>(3000).fill(50),
  ]) {
    it(`holds all of them in order: ${lengths.slice(0, 6).join(", ") || "none"} bytes`, async () => {
      const storage = directoryStorage(temporaryDirectory());
      const pieces = piecesOf(lengths);
      await storage.replace("file", pieces);
      expect(Buffer.compare((await storage.read("file")) as Uint8Array, Buffer.concat(pieces))).to.equal(0);
    });
  }

  it("takes few writes: small pieces go together, up to 64 KiB", async () => {
    const writes: number[] = [];
    const create: Disk["create"] = async (path) => {
      const file = await nodeDisk.create(path);
      const write = (bytes: Uint8Array, position: number) => {
        writes.push(bytes.byteLength);
        return file.write(bytes, position);
      };
      return { ...file, write };
    };
    const storage = directoryStorage(temporaryDirectory(), { disk: { ...nodeDisk, create } });
    await storage.replace("file", piecesOf([30_000, 30_000, 30_000, 70_000, 70_000, 1, 1]));
    expect(writes).to.deep.equal([60_000, 30_000, 70_000, 70_000, 2]);
  });

  it("says how many bytes a full disk was to hold", async () => {
    let writes = 0;
    const create: Disk["create"] = async (path) => {
      const file = await nodeDisk.create(path);
      return {
        ...file,
        close: () => file.close(),
        write: (bytes, at) => (writes++ > 0 ? full() : file.write(bytes, at)),
      };
    };
    const directory = temporaryDirectory();
    const storage = directoryStorage(directory, { disk: { ...nodeDisk, create } });
    const failure = await rejection(storage.replace("file", piecesOf([70_000, 80_000, 90_000])), "storage/io");
    expect(failure.message).to.match(/^writing 150000 bytes to /);
    expect(temporariesIn(directory)).to.deep.equal([]);
  });

  it("leaves what it could not remove, or did not hear of, to the next sweep, in this process too", async () => {
    for (const broken of ["create", "unlink"] as const) {
      const directory = temporaryDirectory();
      let failing = true;
      const disk: Disk = {
        ...nodeDisk,
        async create(path) {
          const file = await nodeDisk.create(path);
          if (!failing) return file;
          if (broken === "create") {
            // Made, and reported as failed.
            await file.close();
            return full();
          }
          return { ...file, write: full };
        },
        unlink: (path) => (failing ? full() : nodeDisk.unlink(path)),
      };
      const storage = directoryStorage(directory, { disk });
      await rejection(storage.replace("file", new Uint8Array(9)), "storage/io");
      expect(temporariesIn(directory), broken).to.have.length(1);
      failing = false;
      await storage.sweep("file");
      expect(temporariesIn(directory), broken).to.deep.equal([]);
    }
  });

  it("is swept with its own name's remains alone", async () => {
    const directory = temporaryDirectory();
    const remains = `.tmp-${"0".repeat(16)}-file`;
    const others = `.tmp-${"0".repeat(16)}-file2`;
    for (const name of [remains, others]) writeFileSync(join(directory, name), "");
    await directoryStorage(directory).sweep("file");
    expect(temporariesIn(directory)).to.deep.equal([others]);
  });
});
