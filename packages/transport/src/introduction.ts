// What a client says of itself when it calls, and what a server answers at once.
import { messageOf } from "@perennial-fl/core";
import { checkClientId } from "./client-id.js";
import { metadataNames, protocolVersion, statusCodes } from "./peers.js";
import type { CallStatus } from "./peers.js";

/** What a client holds of a model that it has not yet received whole. */
export interface HeldModel {
  readonly sha256: string;
  /** So many bytes from its beginning. */
  readonly offset: number;
}

/** Of a client to which long parameters can be sent in chunks. */
export interface TakesChunks {
  /** The longest that it takes. */
  readonly chunkBytes: number;
  readonly held?: HeldModel;
}

/** A client that is served. Stock Flower clients say nothing. */
export interface Introduced {
  readonly type: "introduced";
  readonly id: string | undefined;
  readonly chunks: TakesChunks | undefined;
}

/** Reads the metadata of a call; gives the status with which it is refused if it is not served. */
export function introduction(
  valueOf: (name: string) => string | undefined,
): Introduced | { readonly type: "refused"; readonly refusal: CallStatus } {
  const id = valueOf(metadataNames.client);
  if (id === undefined) return { type: "introduced", id, chunks: undefined };
  const version = valueOf(metadataNames.protocol);
  if (version !== protocolVersion) {
    const details = `this server speaks version ${protocolVersion} of perennial-protocol, not ${version ?? "none"}`;
    return { type: "refused", refusal: { code: statusCodes.FAILED_PRECONDITION, details } };
  }
  try {
    checkClientId(id);
    return { type: "introduced", id, chunks: takesChunks(valueOf) };
  } catch (error) {
    return { type: "refused", refusal: { code: statusCodes.INVALID_ARGUMENT, details: messageOf(error) } };
  }
}

/** What a client says of chunks, as metadata. */
export function chunkMetadata({ chunkBytes, held }: TakesChunks): Readonly<Record<string, string>> {
  return {
    [metadataNames.chunks]: String(chunkBytes),
    ...(held && { [metadataNames.held]: `${held.sha256}/${held.offset}` }),
  };
}

function takesChunks(valueOf: (name: string) => string | undefined): TakesChunks | undefined {
  const longest = valueOf(metadataNames.chunks);
  if (longest === undefined) return undefined;
  if (!/^[1-9]\d{0,14}$/.test(longest)) throw wrong(metadataNames.chunks, longest, "a length in bytes");
  const text = valueOf(metadataNames.held);
  if (text === undefined) return { chunkBytes: Number(longest) };
  const [, sha256, offset] = /^([0-9a-f]{64})\/(\d{1,15})$/.exec(text) ?? [];
  if (sha256 === undefined) throw wrong(metadataNames.held, text, "a SHA-256 and an offset");
  return { chunkBytes: Number(longest), held: { sha256, offset: Number(offset) } };
}

function wrong(name: string, text: string, wanted: string): Error {
  return new Error(`${name} is ${wanted}, not ${JSON.stringify(text.slice(0, 100))}`);
}

/** What a server tells a client at once; nothing to one that did not say who it is. */
export function greeting(
  client: Introduced,
  server: { readonly run: string | undefined; readonly chunkBytes: number },
): Readonly<Record<string, string>> {
  if (client.id === undefined) return {};
  return {
    ...(server.run !== undefined && { [metadataNames.run]: server.run }),
    // The longest chunk that it takes.
    ...(client.chunks && { [metadataNames.chunks]: String(server.chunkBytes) }),
  };
}
