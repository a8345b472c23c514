// A federation whose model has more than 2 GiB, over a connection that breaks in its model and in its update. Too slow
// and too large for every test run: `npm run test:large`. It wants 20 GB of memory and 12 GB in the temporary directory.
import { tensor } from "@perennial-fl/core";
import { expect } from "chai";
import { peakBytes } from "../support/peak-memory.js";
import { federationOverBreakingWire } from "../transfer/federation.js";

const [tensors, elements] = [3, 200_000_000];
const bytes = 4 * tensors * elements;
const gib = 2 ** 30;

describe("A federation whose model has 2.2 GiB", () => {
  it("goes on where its connection broke and from its own files, with every element right", async () => {
    const initialModel = Array.from({ length: tensors }, () =>
      tensor("float32", [elements], new Float32Array(elements)),
    );
    const began = performance.now();
    const breaksAt = [{ toClient: 0.6 * bytes }, { toServer: 0.7 * bytes }];
    const result = await federationOverBreakingWire({ initialModel, numRounds: 1, lengths: {}, breaksAt });
    const { parameters, passed, breaks, trained } = result;
    expect({ breaks, trained }).to.deep.equal({ breaks: 2, trained: 1 });
    for (const { data } of parameters) {
      const wrong = (data as Float32Array).findIndex((value, i) => value !== (i % 1000) + 1);
      expect(wrong).to.equal(-1);
    }
    // The model twice, for fit and for evaluate, and the update once.
    expect(passed.toClient).to.be.below(2.01 * bytes);
    expect(passed.toServer).to.be.below(1.01 * bytes);
    // The run goes on from its files, each of more than 2 GiB.
    const { directories } = result;
    const next = await federationOverBreakingWire({
      initialModel,
      numRounds: 2,
      lengths: {},
      breaksAt: [],
      directories,
    });
    expect(next.trained).to.equal(1);
    for (const { data } of next.parameters) {
      const wrong = (data as Float32Array).findIndex((value, i) => value !== 2 * (i % 1000) + 3);
      expect(wrong).to.equal(-1);
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    const peak = (peakBytes() / gib).toFixed(1);
    console.log(
      `    ${(bytes / gib).toFixed(1)} GiB: ${seconds} s; server and client held ${peak} GiB at most together`,
    );
  }).timeout(1_200_000);
});
