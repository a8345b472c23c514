// How a message is cut for its way: nothing is lost, and no more goes at once than was said.
import { expect } from "chai";
import { paced } from "../src/http2/outgoing.js";

/** Pieces of these lengths, no two bytes in a row alike. */
function piecesOf(lengths: readonly number[]): Uint8Array[] {
  let next = 0;
  return lengths.map((length) => Uint8Array.from({ length }, () => next++ % 251));
}

describe("a message on its way to a client", () => {
  const short = [5, 60, 0, 4000];
  const mixed = [5, 150, 50_000, 150, 50_000, 150, 300_000, 1, 65_536, 0, 200_000, 7];

  for (const lengths of [[], [0], short, mixed, Array<number>(3000).fill(90)]) {
    it(`goes in runs of 64 KiB at most, whole and in order, of ${lengths.length} pieces`, () => {
      const pieces = piecesOf(lengths);
      const runs = [...paced(pieces, 2 ** 16)];
      expect(Buffer.compare(Buffer.concat(runs.flat()), Buffer.concat(pieces))).to.equal(0);
      for (const run of runs) {
        const length = run.reduce((sum, piece) => sum + piece.byteLength, 0);
        expect(length).to.be.within(1, 2 ** 16);
      }
    });
  }

  it("is copied where its pieces are short, and not where they are long", () => {
    const pieces = piecesOf(mixed);
    const sent = [...paced(pieces, 2 ** 18)].flat();
    const copied = sent.filter(({ buffer }) => pieces.every((piece) => piece.buffer !== buffer));
    expect(copied.map(({ byteLength }) => byteLength)).to.deep.equal([155, 150, 150, 1, 7]);
    expect([...paced(piecesOf(short), 2 ** 18)].flat()).to.have.length(1);
  });

  it("takes few runs: one for many short pieces, and the most for a long one", () => {
    expect([...paced(piecesOf(Array<number>(3000).fill(90)), 2 ** 18)]).to.have.length(2);
    expect([...paced(piecesOf([2 ** 20]), 2 ** 18)]).to.have.length(4);
  });
});
