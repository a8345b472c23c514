// A result that rests in a storage: read whole and in parts, in any layout, and refused once its bytes have gone bad.
import { readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, float32, pour } from "@perennial-fl/core";
import type { Saved, StoredResult, TensorSpan } from "@perennial-fl/core";
import { expect } from "chai";
import { parseReference } from "../src/blob-reference.js";
import type { Disk } from "../src/disk.js";
import { directoryStorage } from "../src/directory-storage.js";
import { openRoundJournal } from "../src/journal.js";
import { memoryStorage } from "../src/memory-storage.js";
import { nodeDisk } from "../src/node-disk.js";
import type { Storage } from "../src/storage.js";
import { rejection, temporaryDirectory } from "./temporary.js";

const matrix = float32([2, 3], [1, 2, 3, 4, 5, 6]);
/** The same elements, column by column. */
const columns = float32([3, 2], [1, 4, 2, 5, 3, 6]);

async function stored(storage: Storage, span: Partial<TensorSpan>, bytes: Uint8Array): Promise<StoredResult> {
  const sink = (await openRoundJournal(storage, { heldBytes: 0 })).openSink("a", undefined);
  await sink.write(bytes);
  return sink.close([{ dtype: "float32", shape: [2, 3], offset: 0, byteLength: 24, ...span }]);
}

/** Bytes 8 to 16 of the tensor, as a tile of an aggregation wants them. */
function middle(result: StoredResult): Float32Array {
  const target = new Float32Array(2);
  result.readInto?.(0, 8, new Uint8Array(target.buffer));
  return target;
}

describe("a stored result", () => {
  it("gives a tensor, and a part of one, in C order and this machine's byte order however it came", async () => {
    const bigEndian = bytesOf(matrix).slice();
    for (const [i, x] of (matrix.data as Float32Array).entries()) new DataView(bigEndian.buffer).setFloat32(4 * i, x);
    for (const [span, bytes] of [
      [{}, bytesOf(matrix)],
      [{ fortranOrder: true }, bytesOf(columns)],
      [{ bigEndian: true }, bigEndian],
    ] as const) {
      const result = await stored(memoryStorage(), span, bytes);
      expect(result.read(0)).to.deep.equal(matrix);
      expect([...middle(result)]).to.deep.equal([3, 4]);
    }
  });

  for (const [size, count, at] of [
    ["a small one", 6, 9],
    ["one that is read piece by piece", 300_000, 9],
    ["in its last piece", 300_000, 1_199_999],
  ] as const) {
    it(`is refused when it is read for the first time if a bit has changed: ${size}`, async () => {
      const directory = temporaryDirectory();
      const values = float32([count], new Float32Array(count).fill(1));
      const journal = await openRoundJournal(directoryStorage(directory), { heldBytes: 0 });
      const result = await pour([values], journal.openSink("a", undefined));
      const again = await journal.stored(await journal.reference(result));
      expect(again.read(0)).to.deep.equal(values);
      const [name = ""] = readdirSync(directory).filter((each) => each.endsWith(".blob"));
      const bytes = readFileSync(join(directory, name));
      bytes.writeUInt8((bytes[at] as number) ^ 4, at);
      writeFileSync(join(directory, name), bytes);
      const read = rejection(
        Promise.resolve().then(() => result.read(0)),
        "checkpoint/corrupt",
      );
      expect((await read).message).to.match(/is damaged: its CRC-32 is \d+, and was \d+ when it came/);
      await rejection(
        Promise.resolve().then(() => result.readInto?.(0, 0, new Uint8Array(8))),
        "checkpoint/corrupt",
      );
    });
  }

  it("is whole also from a disk that gives a few bytes at a time, and says where it ends too early", async () => {
    const directory = temporaryDirectory();
    const disk: Disk = {
      ...nodeDisk,
      readSync: (path, target, position) => nodeDisk.readSync(path, target.subarray(0, 7), position),
    };
    const result = await stored(directoryStorage(directory, { disk }), {}, bytesOf(matrix));
    expect(result.read(0)).to.deep.equal(matrix);
    const [name = ""] = readdirSync(directory).filter((each) => each.endsWith(".blob"));
    const reader = await directoryStorage(directory, { disk }).openBlob(name);
    truncateSync(join(directory, name), 20);
    expect(() => reader?.read(8, 16)).to.throw(`the blob ${join(directory, name)} ends at byte 20, not 24`);
  });

  it("is not looked for by what is no reference", async () => {
    const reference = { name: "x.blob", sha256: "0", byteLength: 4, spans: [] };
    expect(parseReference(reference)).to.equal(reference);
    for (const wrong of [
      null,
      { ...reference, name: 1 },
      { ...reference, sha256: null },
      { ...reference, byteLength: -1 },
      { ...reference, spans: "none" },
      { ...reference, spans: [{ dtype: "float32", shape: [2], offset: 0, byteLength: 8 }] },
    ] as readonly Saved[]) {
      await rejection(
        Promise.resolve().then(() => parseReference(wrong)),
        "checkpoint/corrupt",
      );
    }
  });
});
