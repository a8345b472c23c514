// The transport in memory keeps every promise of a transport.
import { describeTransport } from "../src/conformance.js";
import { inMemoryFleet } from "../src/index.js";

describeTransport("in memory", (openSink) => Promise.resolve(inMemoryFleet({ openSink, run: "r-1" })));
