// The client's side of Flower's protocol over grpc-js.
import { Client, Metadata, connectivityState, credentials, status } from "@grpc/grpc-js";
import type { ClientDuplexStream, StatusObject } from "@grpc/grpc-js";
import { FederationError } from "@perennial-fl/core";
import type { Instruction, Parameters, Reply } from "@perennial-fl/core";
import { PartialModel } from "../chunks/partial-model.js";
import { checkClientId } from "../client-id.js";
import { Inbox } from "../inbox.js";
import { chunkMetadata } from "../introduction.js";
import type { ServedConnection } from "../memory.js";
import { defaultKeepaliveMs, lengthsOf } from "../options.js";
import type { ConnectOptions, Lengths } from "../options.js";
import { metadataNames, protocolVersion, systemReason } from "../peers.js";
import { encodeDisconnect, encodeReply } from "../wire/client-message.js";
import { encodeParameters } from "../wire/parameters.js";
import { lengthOfPieces } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";
import { decodeServerMessage } from "../wire/server-message.js";
import { Download } from "./download.js";
import { HeldByServer, sendInChunks } from "./upload.js";
import { joinMethod, metadataOf, sizeOptions, valueIn } from "./service.js";

/** HTTP/2's default of 64 KiB nearly halves the speed at which a model comes in. */
const windowBytes = 2 ** 24;

/** How long a server may take to end a stream that its client has ended. */
const farewellMs = 1_000;

/** How long a server may take to answer whether it is alive. */
const defaultKeepaliveTimeoutMs = 20_000;

/** How our servers, grpc-js and gRPC's C core say that a message is too long; other uses of that status pass. */
const tooLarge = /larger than max|at most \d+ are received/;

/** With these a server says that trying again will not help. */
const refusals: readonly status[] = [
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.UNIMPLEMENTED,
];

/**
 * Connects to a server of ours or a stock Flower server. Rejects with `connection/refused` when nobody answers at the
 * address; the connection's instructions throw `connection/lost` when it breaks, `connection/replaced` when another
 * connection came under this client's id, `connection/refused` when the server does not take this client,
 * `wire/too-large` when one side does not receive a message of the other for its length, and other `wire/...` when an
 * instruction cannot be read. Throws `argument/invalid` for times that are not positive, and for
 * lengths that are no positive integers.
 */
export async function connect(options: ConnectOptions): Promise<ServedConnection> {
  const { serverAddress, clientId, signal, partialModel = new PartialModel() } = options;
  const { keepaliveMs = defaultKeepaliveMs, keepaliveTimeoutMs = defaultKeepaliveTimeoutMs } = options;
  checkTimes({ keepaliveMs, keepaliveTimeoutMs });
  const lengths = lengthsOf(options);
  const held = await partialModel.held();
  signal?.throwIfAborted();
  const identity =
    clientId === undefined
      ? new Metadata()
      : metadataOf({
          [metadataNames.client]: checkClientId(clientId),
          [metadataNames.protocol]: protocolVersion,
          ...chunkMetadata({ chunkBytes: lengths.chunkBytes, ...(held && { held }) }),
        });
  const client = new Client(serverAddress, channelCredentials(options.tls), {
    ...sizeOptions(lengths.maxMessageBytes),
    "grpc-node.flow_control_window": windowBytes,
    // A connection of its own: a shared one would make a new client wait for an older one's back-off.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
  });
  const { path, requestSerialize, responseDeserialize } = joinMethod;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, identity);
  const stay = new Stay(client, call, serverAddress, lengths, partialModel);
  await stay.connected(signal);
  return stay;
}

function checkTimes(times: Readonly<Record<string, number>>): void {
  for (const [name, ms] of Object.entries(times)) {
    if (ms > 0 && ms < 2 ** 31) continue;
    throw new FederationError("argument/invalid", `${name} is a positive number of milliseconds, not ${ms}`);
  }
}

function channelCredentials(tls: ConnectOptions["tls"]): ReturnType<typeof credentials.createInsecure> {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(tls.rootCertificates === undefined ? null : Buffer.from(tls.rootCertificates));
}

/** One call of `Join`. */
class Stay implements ServedConnection {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #address: string;
  readonly #lengths: Lengths;
  readonly #held = new HeldByServer();
  readonly #inbox: Inbox;
  readonly #download: Download;
  readonly #over: Promise<void>;
  #asked: Exclude<Instruction["type"], "reconnect"> = "fit";
  #run: string | undefined;
  /** The longest chunk that the server takes; nothing at one that takes none. */
  #chunkBytes: number | undefined;
  #reached = false;
  #closing = false;

  constructor(
    client: Client,
    call: ClientDuplexStream<Buffer, Buffer>,
    address: string,
    lengths: Lengths,
    partialModel: PartialModel,
  ) {
    this.#client = client;
    this.#call = call;
    this.#address = address;
    this.#lengths = lengths;
    this.#inbox = new Inbox(() => this.#leave());
    this.#download = new Download(
      partialModel,
      (instruction) => {
        this.#ask(instruction);
      },
      (error) => {
        this.#giveUp(error);
      },
    );
    call.on("metadata", (metadata) => {
      this.#run = valueIn(metadata, metadataNames.run);
      const taken = Number(valueIn(metadata, metadataNames.chunks));
      if (taken >= 1) this.#chunkBytes = Math.min(taken, lengths.chunkBytes);
    });
    call.on("data", (message: Buffer) => {
      this.#hear(message);
    });
    // The status says the same, and comes always.
    call.on("error", () => undefined);
    this.#over = new Promise((resolve) => {
      call.on("status", (ended) => {
        this.#inbox.end(this.#lossOf(ended));
        this.#held.end();
        client.close();
        resolve();
      });
    });
  }

  get run(): string | undefined {
    return this.#run;
  }

  instructions(): AsyncIterable<Instruction> {
    return this.#inbox.instructions();
  }

  async reply(reply: Reply<Parameters>): Promise<void> {
    if (this.#inbox.lost !== undefined) throw this.#inbox.lost;
    const inChunks = this.#tooLongForOne(reply);
    if (inChunks !== undefined) {
      const { chunkBytes, pieces, answer } = inChunks;
      await sendInChunks(answer, pieces, chunkBytes, this.#held, (message) => this.#write(message));
    } else await this.#write(this.#encode(reply));
    this.#download.answered();
    this.#inbox.answered();
  }

  #encode(reply: Reply<Parameters>): Buffer {
    const message = encodeReply(reply, this.#asked);
    const { maxMessageBytes } = this.#lengths;
    if (message.byteLength <= maxMessageBytes) return message;
    const size = `${message.byteLength} bytes, more than the ${maxMessageBytes} of a message`;
    throw new FederationError("wire/too-large", `a ${reply.type} reply has ${size}`);
  }

  /** A fit answer that goes in chunks: those that are long, where the server takes them. */
  #tooLongForOne(
    reply: Reply<Parameters>,
  ): { chunkBytes: number; pieces: Pieces; answer: Omit<typeof reply & { type: "fit" }, "update"> } | undefined {
    if (reply.type !== "fit" || this.#chunkBytes === undefined) return undefined;
    const { update, ...answer } = reply;
    const pieces = encodeParameters(update);
    const { chunkedFromBytes, maxMessageBytes } = this.#lengths;
    if (lengthOfPieces(pieces) <= Math.min(chunkedFromBytes, maxMessageBytes)) return undefined;
    return { chunkBytes: this.#chunkBytes, pieces, answer };
  }

  /** Ends the stream, and waits a moment for the server to end it too, so that the last reply is not cut off. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#inbox.end();
    this.#held.end();
    this.#call.end();
    const timer = setTimeout(() => {
      this.#call.cancel();
    }, farewellMs);
    await this.#over;
    clearTimeout(timer);
  }

  /** Resolves when the channel is up; the call itself may stay silent until the server has something to say. */
  async connected(signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => {
      this.#call.cancel();
    };
    signal?.addEventListener("abort", abort, { once: true });
    await Promise.race([this.#over, this.#ready()]);
    signal?.removeEventListener("abort", abort);
    signal?.throwIfAborted();
    if (!this.#reached && this.#inbox.lost !== undefined) throw this.#inbox.lost;
  }

  #ready(): Promise<void> {
    const channel = this.#client.getChannel();
    return new Promise((resolve) => {
      const look = (): void => {
        const state = channel.getConnectivityState(false);
        if (state === connectivityState.READY) {
          this.#reached = true;
          resolve();
        } else if (state !== connectivityState.SHUTDOWN) channel.watchConnectivityState(state, Infinity, look);
      };
      look();
    });
  }

  #hear(message: Buffer): void {
    try {
      const said = decodeServerMessage(message);
      if (said.type === "held") this.#held.told(said.offset);
      else if (said.type === "announced") this.#download.announced(said);
      else if (said.type === "chunk") this.#download.chunk(said);
      else this.#ask(said);
    } catch (error) {
      this.#giveUp(error as FederationError);
    }
  }

  #ask(instruction: Instruction): void {
    if (instruction.type !== "reconnect") this.#asked = instruction.type;
    this.#inbox.push(instruction);
  }

  /** The server says what cannot be read. */
  #giveUp(error: FederationError): void {
    this.#inbox.end(error);
    this.#call.cancel();
  }

  async #leave(): Promise<void> {
    if (this.#inbox.lost === undefined) await this.#write(encodeDisconnect());
    await this.close();
  }

  /** Resolves when the message is handed to the network, or rejects when the connection is lost before. */
  async #write(message: Buffer): Promise<void> {
    if (this.#closing) throw new FederationError("connection/lost", `the connection to ${this.#address} is closed`);
    const written = new Promise<void>((resolve) =>
      this.#call.write(message, () => {
        resolve();
      }),
    );
    await Promise.race([written, this.#over]);
    if (this.#inbox.lost !== undefined) throw this.#inbox.lost;
  }

  #lossOf({ code, details }: StatusObject): FederationError {
    const why = `${details || "the server ended the stream"} (${status[code]})`;
    if (code === status.RESOURCE_EXHAUSTED && tooLarge.test(details)) {
      return new FederationError("wire/too-large", `a message between ${this.#address} and this client: ${why}`);
    }
    if (code === status.ABORTED) {
      return new FederationError("connection/replaced", `the server at ${this.#address} let go of this client: ${why}`);
    }
    if (refusals.includes(code)) {
      return new FederationError("connection/refused", `the server at ${this.#address} refused this client: ${why}`);
    }
    if (!this.#reached) {
      return new FederationError("connection/refused", `no server answers at ${this.#address}: ${systemReason(why)}`);
    }
    return new FederationError("connection/lost", `the connection to ${this.#address} was lost: ${why}`);
  }
}
