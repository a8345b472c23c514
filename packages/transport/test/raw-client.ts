// A client that speaks HTTP/2 and nothing else: whatever bytes a test wants to send, in whatever pieces.
import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { FleetEvent, Parameters, Reply } from "@perennial-fl/core";
import { memorySink } from "@perennial-fl/core";
import type { OpenSink } from "@perennial-fl/core";
import { joinPath } from "../src/http2/call-headers.js";
import { listenStreaming } from "../src/index.js";
import type { ListenStreamingOptions, ListeningFleet } from "../src/index.js";
import { encodeReply } from "../src/wire/client-message.js";

/** A message in gRPC's frame. */
export function framed(message: Uint8Array, flag = 0, length = message.byteLength): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(flag);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}

export const framedReply = (reply: Reply<Parameters>): Buffer => framed(encodeReply(reply, "fit"));

/** One call of a raw client. */
export class RawCall {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  /** What the call ended with: its trailers, or its headers when nothing else came, or nothing. */
  readonly ended: Promise<IncomingHttpHeaders | undefined>;
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  constructor(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}) {
    this.session = session;
    session.on("error", () => undefined);
    this.stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: joinPath,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    this.stream.on("error", () => undefined);
    this.stream.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    let last: IncomingHttpHeaders | undefined;
    this.stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined || headers[":status"] !== 200) last = headers;
    });
    this.stream.on("trailers", (trailers: IncomingHttpHeaders) => (last = trailers));
    this.ended = new Promise((resolve) => {
      this.stream.on("close", () => {
        resolve(last);
      });
    });
  }

  /** Sends bytes; resolves when they have gone, so that what is sent next is a frame of its own. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) =>
      this.stream.write(bytes, () => {
        resolve();
      }),
    );
  }

  /** The next whole message. */
  async message(): Promise<Buffer> {
    for (;;) {
      const length = this.#received.byteLength < 5 ? Infinity : this.#received.readUInt32BE(1);
      if (this.#received.byteLength >= 5 + length) {
        const message = this.#received.subarray(5, 5 + length);
        this.#received = this.#received.subarray(5 + length);
        return message;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A streaming server with raw clients, all of which are closed by `close`. */
export class Stage {
  readonly fleet: ListeningFleet;
  readonly #events: AsyncIterator<FleetEvent, unknown>;
  readonly #sessions: ClientHttp2Session[] = [];

  constructor(fleet: ListeningFleet) {
    this.fleet = fleet;
    this.#events = fleet.events()[Symbol.asyncIterator]();
  }

  static async open(options: Partial<ListenStreamingOptions> = {}): Promise<Stage> {
    const openSink: OpenSink = () => memorySink();
    return new Stage(await listenStreaming({ address: "127.0.0.1:0", openSink, ...options }));
  }

  session(): ClientHttp2Session {
    const session = connect(`http://${this.fleet.address}`);
    session.on("error", () => undefined);
    this.#sessions.push(session);
    return session;
  }

  call(headers?: OutgoingHttpHeaders): RawCall {
    return new RawCall(this.session(), headers);
  }

  /** A call whose client has joined. */
  async join(): Promise<{ readonly call: RawCall; readonly client: string }> {
    const call = this.call();
    const { client } = await this.next("joined");
    return { call, client };
  }

  /** The same, and the client was asked to fit and has heard it. */
  async ask(joined?: { readonly call: RawCall; readonly client: string }): Promise<RawCall> {
    const { call, client } = joined ?? (await this.join());
    this.fleet.send(client, { type: "fit", parameters: [], config: {} });
    await call.message();
    return call;
  }

  async next<T extends FleetEvent["type"]>(type: T): Promise<Extract<FleetEvent, { type: T }>> {
    const value = await this.any();
    if (value.type !== type) throw new Error(`${type} was expected, and ${JSON.stringify(value)} came`);
    return value as Extract<FleetEvent, { type: T }>;
  }

  async any(): Promise<FleetEvent> {
    const { value } = (await this.#events.next()) as { value: FleetEvent | undefined };
    if (value === undefined) throw new Error("the fleet was closed");
    return value;
  }

  async close(): Promise<void> {
    await this.fleet.close();
    for (const session of this.#sessions) session.destroy();
  }
}
