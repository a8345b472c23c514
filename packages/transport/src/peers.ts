// What both gRPC servers say to peers, and what they ask of them before they serve a call.
import { messageOf } from "@perennial-fl/core";
import { checkClientId } from "./client-id.js";

/** The version of what our own peers add to Flower's protocol. */
export const protocolVersion = "1";

/** Names of call metadata between our own peers. Flower's peers send none and ignore ours. */
export const metadataNames = {
  chunks: "perennial-chunks",
  client: "perennial-client",
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

/** Why a client that calls itself `id` and speaks `version` is not served, if so. Without an id there is nothing to check. */
export function identityRefusal(id: string | undefined, version: string | undefined): CallStatus | undefined {
  if (id === undefined) return undefined;
  if (version !== protocolVersion) {
    const details = `this server speaks version ${protocolVersion} of perennial-protocol, not ${version ?? "none"}`;
    return { code: statusCodes.FAILED_PRECONDITION, details };
  }
  try {
    checkClientId(id);
    return undefined;
  } catch (error) {
    return { code: statusCodes.INVALID_ARGUMENT, details: messageOf(error) };
  }
}

/** What a server tells a client at once; nothing to one that did not say who it is. */
export function greeting(
  client: { readonly id: string | undefined; readonly chunks: boolean },
  server: { readonly run: string | undefined; readonly chunkBytes: number },
): Readonly<Record<string, string>> {
  if (client.id === undefined) return {};
  return {
    ...(server.run !== undefined && { [metadataNames.run]: server.run }),
    // The longest chunk that it takes.
    ...(client.chunks && { [metadataNames.chunks]: String(server.chunkBytes) }),
  };
}

/** What the system said, out of a library's account of everything that it has tried; without that, the account. */
export function systemReason(account: string): string {
  return /\b(?:connect|listen|getaddrinfo) E[A-Z]+\b/.exec(account)?.[0] ?? account;
}
