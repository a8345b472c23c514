// The Flower wire protocol over gRPC, and the same behaviour in memory.
export { inMemoryFleet } from "./memory.js";
export type { InMemoryFleet, InMemoryOptions, ServedConnection } from "./memory.js";
export { longestMessageBytes } from "./options.js";
export type { ConnectOptions, ListenOptions, ListeningFleet } from "./options.js";
