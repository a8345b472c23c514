// A raw client that sends an update in chunks as a test wants it, and a server of either kind to send it to.
import { constants } from "node:http2";
import type { Parameters, RequestKey } from "@perennial-fl/core";
import { announcedOf } from "../src/chunks/outgoing-chunks.js";
import { listen, listenStreaming } from "../src/index.js";
import type { ListenStreamingOptions } from "../src/index.js";
import { encodeChunk } from "../src/wire/chunks.js";
import type { Announced } from "../src/wire/chunks.js";
import { encodeAnnouncedFit } from "../src/wire/client-message.js";
import { encodeParameters } from "../src/wire/parameters.js";
import { join } from "../src/wire/protobuf-writer.js";
import { decodeServerMessage } from "../src/wire/server-message.js";
import { Stage, framed } from "./raw-client.js";
import type { RawCall } from "./raw-client.js";

export const servers = { streaming: listenStreaming, grpc: listen } as const;

export const key: RequestKey = { run: "r", round: 1, attempt: 1, phase: "fit" };

/** An update as its bytes, and what announces them. */
export interface Encoded {
  readonly bytes: Buffer;
  readonly announced: Announced;
}

export async function encoded(parameters: Parameters): Promise<Encoded> {
  const pieces = encodeParameters(parameters);
  return { bytes: join(pieces), announced: await announcedOf(pieces) };
}

/** A call of a client that speaks chunks, and has been asked to fit. */
export class ChunkedCall {
  readonly call: RawCall;

  constructor(call: RawCall) {
    this.call = call;
  }

  static async asked(stage: Stage, client: string, asked: RequestKey = key): Promise<ChunkedCall> {
    const call = stage.call({ "perennial-client": client, "perennial-protocol": "1", "perennial-chunks": "1" });
    await stage.next("joined");
    const chunked = new ChunkedCall(call);
    await chunked.ask(stage, client, asked);
    return chunked;
  }

  async ask(stage: Stage, client: string, asked: RequestKey = key): Promise<void> {
    stage.fleet.send(client, { type: "fit", key: asked, parameters: [], config: {} });
    await this.call.message();
  }

  /** Announces an update; gives how many bytes the server says it holds. */
  async announce(announced: Announced): Promise<number> {
    const answer = { type: "fit", numExamples: 7, metrics: { a: 0.5 } } as const;
    await this.call.write(framed(encodeAnnouncedFit(answer, announced)));
    return this.held();
  }

  /** How many bytes the server says next that it holds. */
  async held(): Promise<number> {
    const said = decodeServerMessage(await this.call.message());
    if (said.type !== "held") throw new Error(`the server sent a ${said.type}`);
    return said.offset;
  }

  send(offset: number, bytes: Uint8Array): Promise<void> {
    return this.call.write(framed(join(encodeChunk(offset, [bytes]))));
  }

  /** Loses the connection without a word. */
  lose(): void {
    this.call.session.destroy(new Error("cut"), constants.NGHTTP2_CANCEL);
  }
}

export async function stageOf(
  kind: keyof typeof servers,
  options: Partial<ListenStreamingOptions> & Pick<ListenStreamingOptions, "openSink">,
): Promise<Stage> {
  return new Stage(await servers[kind]({ address: "127.0.0.1:0", run: "r", ...options }));
}
