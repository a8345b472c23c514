// What gRPC's peers are told by name and number.

/** The version of what our own peers add to Flower's protocol. */
export const protocolVersion = "1";

/** Names of call metadata between our own peers. Flower's peers send none and ignore ours. */
export const metadataNames = {
  chunks: "perennial-chunks",
  client: "perennial-client",
  held: "perennial-held",
  protocol: "perennial-protocol",
  run: "perennial-run",
} as const;

/** The status codes of gRPC that our servers answer with. */
export const statusCodes = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** How a call ends, in gRPC's words. */
export interface CallStatus {
  readonly code: (typeof statusCodes)[keyof typeof statusCodes];
  readonly details: string;
}

/** The status with which a server's reason to end a connection travels. */
export const statusOfEnding = {
  closing: statusCodes.UNAVAILABLE,
  failed: statusCodes.INTERNAL,
  replaced: statusCodes.ABORTED,
  violation: statusCodes.INVALID_ARGUMENT,
} as const;

/** What the system said, out of a library's account of everything that it has tried; without that, the account. */
export function systemReason(account: string): string {
  return /\b(?:connect|listen|getaddrinfo) E[A-Z]+\b/.exec(account)?.[0] ?? account;
}
