// A model that is longer than a message: the whole federation, over a wire that breaks in the middle of it.
import { float32 } from "@perennial-fl/core";
import { expect } from "chai";
import { federationOverBreakingWire } from "./federation.js";

const bytes = 4 * 300_000;
const initialModel = [float32([200_000], new Float32Array(200_000)), float32([100, 1000], new Float32Array(100_000))];

describe("A federation whose model is longer than a message", () => {
  it("ends with the bytes of one whose model is not, though its connections break on the way", async () => {
    const plain = await federationOverBreakingWire({ initialModel, numRounds: 2, lengths: {}, breaksAt: [] });
    const lengths = { maxMessageBytes: 100_000, chunkBytes: 50_000 };
    // In the first round's model, in its update, and in the update again.
    const breaksAt = [{ toClient: bytes / 2 }, { toServer: bytes / 3 }, { toServer: (2 * bytes) / 3 }];
    const broken = await federationOverBreakingWire({ initialModel, numRounds: 2, lengths, breaksAt });
    expect(broken.sha256).to.equal(plain.sha256);
    expect([plain.breaks, broken.breaks]).to.deep.equal([0, 3]);
    expect([plain.trained, broken.trained]).to.deep.equal([2, 2]);
    // After a break only what was under way goes again.
    expect(broken.passed.toServer).to.be.below(plain.passed.toServer + bytes / 5);
    expect(broken.passed.toClient).to.be.below(plain.passed.toClient + bytes / 5);
  });
});
