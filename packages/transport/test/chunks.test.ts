// Parameters in chunks keep every promise of a transport, and an upload goes on where its connection was lost.
import { describeTransport } from "../src/conformance.js";
import { connect, listen, listenStreaming } from "../src/index.js";

for (const [name, serve] of Object.entries({ streaming: listenStreaming, grpc: listen })) {
  describeTransport(`in chunks, ${name}`, async (openSink) => {
    const chunks = { chunkBytes: 5000, chunkedFromBytes: 0 };
    const fleet = await serve({ address: "127.0.0.1:0", openSink, run: "r-1", ...chunks });
    return {
      fleet,
      connect: (clientId) =>
        connect({ serverAddress: fleet.address, ...(clientId === undefined ? {} : { clientId }), ...chunks }),
    };
  });
}
