// Room for a round's results: announced, and refused with the bytes when there is too little.
import { float32, isFederationError } from "@perennial-fl/core";
import { expect } from "chai";
import { bytesNeeded, checkSpace } from "../src/space.js";

const place = (free: number | undefined) => ({ location: "/state", free: () => Promise.resolve(free) });
const model = [float32([10, 10], new Float32Array(100)), float32([5], new Float32Array(5))];

describe("room for a round", () => {
  it("is an update from every client, the model once more, and what the strategy keeps", () => {
    expect(bytesNeeded(3, model, null)).to.equal(4 * 420);
    expect(bytesNeeded(3, model, { m: model, steps: 7, name: "m" })).to.equal(5 * 420);
  });

  it("is announced when there is enough", async () => {
    const announced: unknown[] = [];
    await checkSpace(place(500), 2, 500, (space) => announced.push(space));
    expect(announced).to.deep.equal([{ needed: 500, free: 500 }]);
  });

  it("is refused by the byte, with both figures and the place", async () => {
    const failure = await checkSpace(place(499), 2, 500, () => undefined).catch((error: unknown) => error);
    expect(isFederationError(failure, "storage/full")).to.equal(true);
    expect(String(failure)).to.include("round 2 needs 500 bytes in /state, and 499 are free; make room and resume");
  });

  it("is not asked after where nobody knows it", async () => {
    await checkSpace(place(undefined), 2, 500, () => expect.fail("announced"));
  });
});
