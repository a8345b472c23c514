// The Flower wire protocol over gRPC, by our own framing or grpc-js, and the same behaviour in memory.
export { carriedInstruction, carriedReply } from "./carried.js";
export { checkClientId } from "./client-id.js";
export { connect } from "./grpc/connect.js";
export { listen } from "./grpc/listen.js";
export { HeldBytes } from "./http2/held-bytes.js";
export { defaultLimits } from "./http2/limits.js";
export type { StreamingLimits } from "./http2/limits.js";
export { listenStreaming } from "./http2/listen.js";
export type { ListenStreamingOptions } from "./http2/listen.js";
export { Inbox } from "./inbox.js";
export { inMemoryFleet } from "./memory.js";
export type { InMemoryFleet, InMemoryOptions, ServedConnection } from "./memory.js";
export { longestMessageBytes } from "./options.js";
export type { ConnectOptions, ListenOptions, ListeningFleet } from "./options.js";
export { Roster } from "./roster.js";
export type { Seat, Link, Ending } from "./seat.js";
export type { Clock } from "./timers.js";
export { decodeNpy, encodeNpy, readNpyHeader } from "./wire/npy.js";
