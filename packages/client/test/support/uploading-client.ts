// A client process that is killed while it uploads: trains once, which it says, and answers from its store after that.
import { float32 } from "@perennial-fl/core";
import { startClient } from "../../src/index.js";

const [stateDir, serverAddress] = process.argv.slice(2);
if (stateDir === undefined || serverAddress === undefined) {
  throw new Error("usage: uploading-client STATE_DIR SERVER_ADDRESS");
}
await startClient({
  client: {
    fit([model]) {
      process.stdout.write("trained\n");
      const data = (model?.data as Float32Array).map((value, i) => value + i);
      return { parameters: [float32([data.length], data)], numExamples: 1 };
    },
    evaluate: () => ({ loss: 0, numExamples: 1 }),
  },
  clientId: "ann",
  stateDir,
  serverAddress,
  chunks: { chunkBytes: 5000, chunkedFromBytes: 100_000 },
});
