// The streaming server keeps every promise of a transport, with grpc-js on the other side.
import { describeTransport } from "../src/conformance.js";
import { connect, listenStreaming } from "../src/index.js";

describeTransport("over our own framing", async (openSink) => {
  const fleet = await listenStreaming({ address: "127.0.0.1:0", openSink, run: "r-1" });
  return {
    fleet,
    connect: (clientId) => connect({ serverAddress: fleet.address, ...(clientId === undefined ? {} : { clientId }) }),
  };
});
