// What the network's transport is given, and the fleet it gives back.
import { FederationError } from "@perennial-fl/core";
import type { PartialModel } from "./chunks/partial-model.js";
import type { Fleet, OpenSink } from "@perennial-fl/core";

/** The longest message that any protobuf peer can take: 2 GiB - 1 bytes. */
export const longestMessageBytes = 2 ** 31 - 1;

/** Parameters that are longer travel in chunks between our own peers. */
export const defaultChunkedFromBytes = 2 ** 26;

/** A chunk is held in memory whole by whoever sends it. */
const mostChunkBytes = 2 ** 30;

export const defaultChunkBytes = 2 ** 24;

/** How long parameters travel between our own peers; Flower's get one message, or none. */
export interface ChunkOptions {
  /** The longest chunk that is sent and taken. Default 16 MiB. */
  readonly chunkBytes?: number;
  /** Longer encoded parameters are sent in chunks; those too long for a message always are. Default 64 MiB. */
  readonly chunkedFromBytes?: number;
}

export interface ListenOptions extends ChunkOptions {
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly address: string;
  readonly openSink: OpenSink;
  /** Told to clients that said who they are. */
  readonly run?: string;
  /**
   * PEM files: the server's certificate and its key; `ca` holds the authorities that complete its chain. Clients are not
   * asked for certificates. Without `tls` nothing is encrypted.
   */
  readonly tls?: { readonly ca?: Uint8Array; readonly cert: Uint8Array; readonly key: Uint8Array };
  /** A longer message is refused before it is received. Default {@link longestMessageBytes}. */
  readonly maxMessageBytes?: number;
  /** Told of what went wrong and belongs to no client: nothing when absent. */
  readonly report?: (error: unknown) => void;
}

/** A fleet that listens on a port. */
export interface ListeningFleet extends Fleet {
  /** The bound `HOST:PORT`. */
  readonly address: string;
}

export interface ConnectOptions extends ChunkOptions {
  /** `HOST:PORT`. */
  readonly serverAddress: string;
  /** The client's lasting id; without one it is like a stock Flower client, new with each connection. */
  readonly clientId?: string;
  /** PEM certificates to trust instead of the system's. Without `tls` nothing is encrypted. */
  readonly tls?: { readonly rootCertificates?: Uint8Array };
  /** What this client holds of a model whose connection was lost: the same object for all its connections. */
  readonly partialModel?: PartialModel;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** A longer message is refused. Default {@link longestMessageBytes}. */
  readonly maxMessageBytes?: number;
  /**
   * After so long without a word the server is asked whether it is alive, so that one whose plug was pulled is noticed.
   * Default 5 minutes: stock Flower servers (gRPC's C core) end connections that ask more often. Our servers take 30 s.
   */
  readonly keepaliveMs?: number;
  /** How long the answer to that may take before the connection counts as lost. Default 20 s. */
  readonly keepaliveTimeoutMs?: number;
}

/** How long messages and chunks may be. */
export interface Lengths extends Required<ChunkOptions> {
  readonly maxMessageBytes: number;
}

/** The options with their defaults. Throws `argument/invalid` for lengths that are none. */
export function lengthsOf({
  chunkBytes = defaultChunkBytes,
  chunkedFromBytes = defaultChunkedFromBytes,
  maxMessageBytes = longestMessageBytes,
}: ChunkOptions & { readonly maxMessageBytes?: number }): Lengths {
  if (!(Number.isSafeInteger(chunkBytes) && chunkBytes >= 1 && chunkBytes <= mostChunkBytes)) {
    throw new FederationError(
      "argument/invalid",
      `chunkBytes is a whole number from 1 to ${mostChunkBytes}, not ${chunkBytes}`,
    );
  }
  if (!(chunkedFromBytes >= 0)) {
    throw new FederationError(
      "argument/invalid",
      `chunkedFromBytes is a number of bytes from 0, not ${chunkedFromBytes}`,
    );
  }
  return { chunkBytes, chunkedFromBytes, maxMessageBytes };
}

/** What a server of C core lets a client ask, at the most often. */
export const defaultKeepaliveMs = 300_000;
