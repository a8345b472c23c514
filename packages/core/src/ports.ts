// The two ports through which servers and clients meet: `Fleet` on the server's side, `Connection` on the client's.
import type { Instruction, Reply, RequestKey } from "./messages.js";
import type { StoredResult, UpdateSink } from "./results.js";
import type { Parameters } from "./tensor.js";

/** Names a client: its own lasting id, or a random one per connection for a stock Flower client. */
export type ClientId = string;

/**
 * What happens to a fleet. Events of one client are in order: `joined`, then replies, then `left`.
 * A client that joins under an id that is still connected has its older connection dropped first (`left`).
 */
export type FleetEvent =
  | {
      readonly type: "joined";
      readonly client: ClientId;
      /** Whether the id is the client's own and survives its reconnections. */
      readonly identified: boolean;
    }
  | { readonly type: "left"; readonly client: ClientId; readonly message: string }
  | {
      readonly type: "replied";
      readonly client: ClientId;
      /** The key of the instruction that this answers, if that had one. */
      readonly key?: RequestKey;
      readonly reply: Reply<StoredResult>;
      /** Absent where the transport does not see them. */
      readonly times?: AnswerTimes;
    }
  /** An answer came and could not be read or stored. The client may still be connected. */
  | { readonly type: "unreadable"; readonly client: ClientId; readonly key?: RequestKey; readonly message: string }
  | { readonly type: "elapsed"; readonly timer: string };

/** Moments of one answer, in milliseconds of the process's steady clock (`performance.now`). */
export interface AnswerTimes {
  /** The instruction had gone to the network. */
  readonly sentMs: number;
  /** The first byte of the answer was here, and the last. */
  readonly beganMs: number;
  readonly endedMs: number;
}

/** All clients, as the server sees them. */
export interface Fleet {
  /** The one stream of events; ends when the fleet is closed, and throws `storage/...` when updates can no longer be stored. */
  events(): AsyncIterable<FleetEvent>;
  /**
   * The next event, if it is here already and is a reply: for whoever makes several of them durable at once. A fleet
   * without it gives every event through `events`.
   */
  takeReply?(): Extract<FleetEvent, { type: "replied" }> | undefined;
  /**
   * Sends an instruction to a connected client; one at a time per client, so only after its last answer. Sending to a
   * client that has left does nothing: its `left` event is on the way. The same `parameters` array sent to many
   * clients is encoded once, so it must not change.
   */
  send(client: ClientId, instruction: Instruction): void;
  /** An `elapsed` event with this name after `ms` milliseconds; a later call with the same name replaces the first. */
  wait(timer: string, ms: number): void;
  close(): Promise<void>;
}

/** Opens the place where the update of `client` for `key` will rest. `key` is absent for initial parameters. */
export type OpenSink = (client: ClientId, key: RequestKey | undefined) => UpdateSink;

/** One stay at a server, as the client sees it. */
export interface Connection {
  /** The server's instructions, one at a time: the next comes after the reply to the last. Ends at `close`, throws `connection/...`. */
  instructions(): AsyncIterable<Instruction>;
  /** Answers the last instruction. Resolves when the answer is handed to the network. */
  reply(reply: Reply<Parameters>): Promise<void>;
  close(): Promise<void>;
}
