// Deliberate defects of the wire.
import type { Mutant } from "./mutant.js";

const http2 = "packages/transport/dist/src/http2";
const hostile = "packages/transport/dist/test/streaming-hostile.test.js";

export const transportMutants: readonly Mutant[] = [
  {
    name: "the streaming server hands the network a whole message at once",
    file: `${http2}/outgoing.js`,
    before: "if (piece.byteLength > left)",
    after: "if (most < 0)",
    suite: "packages/transport/dist/test/outgoing.test.js",
  },
  {
    name: "the streaming server fills a stage that has not been stored",
    file: `${http2}/update-writer.js`,
    before: "await this.#writing;\n        if (this.#filled > 0)",
    after: "if (this.#filled > 0)",
    suite: "packages/transport/dist/test/streaming-memory.test.js",
  },
  {
    name: "the streaming server lets every client send at once",
    file: `${http2}/byte-source.js`,
    before: "this.#stream.pause();",
    after: "",
    suite: "packages/transport/dist/test/streaming-memory.test.js",
  },
  {
    name: "the streaming server forgets the stages before when it finds a NaN",
    file: `${http2}/update-writer.js`,
    before: "current.checked + found",
    after: "found",
    suite: "packages/transport/dist/test/streaming.test.js",
  },
  {
    name: "the streaming server calls a lost upload an unreadable answer",
    file: `${http2}/call.js`,
    before: 'return { type: "lost" };',
    after: "",
    suite: hostile,
  },
  {
    name: "the streaming server lets a field reach beyond its message",
    file: `${http2}/message-stream.js`,
    before: "if (missing > 0)",
    after: "if (missing > 0 && scope.name === undefined)",
    suite: hostile,
  },
  {
    name: "the streaming server receives messages above its limit",
    file: `${http2}/frames.js`,
    before: "length <= maxMessageBytes",
    after: "length >= 0",
    suite: hostile,
  },
  {
    name: "the streaming server does not count the calls that a client opens",
    file: `${http2}/session.js`,
    before: "if (!calls.take())",
    after: "if (false)",
    suite: "packages/transport/dist/test/streaming-limits.test.js",
  },
  {
    name: "the ninth client of one Python process waits for ever",
    file: "packages/transport/dist/src/http2/listen.js",
    before: "maxConcurrentStreams: limits.burst",
    after: "maxConcurrentStreams: 8",
    suite: "packages/transport/dist/test/streaming-limits.test.js",
  },
];
