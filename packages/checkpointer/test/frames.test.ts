// How records lie in a log's file: what is whole, what a crash may have torn, and what only damage explains.
import { expect } from "chai";
import { frame, parseLog } from "../src/frames.js";

/** The file of records that are so long, and these records. */
function logOf(lengths: readonly number[]): { readonly file: Buffer; readonly records: readonly Uint8Array[] } {
  const records = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
  let checksum = 0;
  const frames = records.map((record) => {
    const next = frame(record, checksum);
    checksum = next.checksum;
    return next.bytes;
  });
  return { file: Buffer.concat(frames), records };
}

describe("a log's file", () => {
  it("gives its records, however short or long they are, and where the next begins", () => {
    for (const lengths of [[], [0], [0, 0], [1, 0, 500], [500, 512, 2000, 0]]) {
      const { file, records } = logOf(lengths);
      expect(parseLog(file)).to.deep.include({ records, byteLength: file.byteLength, tail: "none" });
    }
  });

  it("is torn wherever it ends within a record, and only there", () => {
    const { file } = logOf([30, 600]);
    for (let end = 0; end <= file.byteLength; end++) {
      const { records, tail } = parseLog(file.subarray(0, end));
      expect(records.length, `${end} bytes`).to.equal(end < 42 ? 0 : end < file.byteLength ? 1 : 2);
      expect(tail, `${end} bytes`).to.equal([0, 42, file.byteLength].includes(end) ? "none" : "torn");
    }
  });

  it("is damaged when a bit of its last record has changed, also where it ends with a sector", () => {
    for (const length of [600, 1024 - 12, 1024 - 13]) {
      const { file } = logOf([length]);
      for (const at of [1, 5, 9, 12, 12 + length - 1]) {
        const damaged = Buffer.from(file);
        damaged.writeUInt8(damaged.readUInt8(at) ^ 16, at);
        const { records, tail } = parseLog(damaged);
        // A length that has grown beyond the file is found by the checksum of the header.
        expect({ records, tail }, `bit of byte ${at} of ${length}`).to.deep.equal({ records: [], tail: "damaged" });
      }
    }
  });

  it("is torn when a sector of its last record is zeros, and damaged when one of an earlier record is", () => {
    const { file } = logOf([2000, 2000]);
    const zeroed = (sector: number): Buffer => Buffer.from(file).fill(0, 512 * sector, 512 * (sector + 1));
    for (const sector of [4, 5, 6]) {
      expect(parseLog(zeroed(sector)), `${sector}`).to.deep.include({ byteLength: 2012, tail: "torn" });
    }
    expect(parseLog(zeroed(1))).to.deep.include({ byteLength: 0, tail: "damaged" });
  });
});
