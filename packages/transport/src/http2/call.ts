// One call of Join: a client's stream, its seat, and messages both ways.
import { constants } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { messageOf } from "@perennial-fl/core";
import type { Instruction } from "@perennial-fl/core";
import { OutgoingModels } from "../chunks/outgoing-model.js";
import { anonymousId } from "../client-id.js";
import { greeting } from "../introduction.js";
import type { Introduced } from "../introduction.js";
import type { Lengths } from "../options.js";
import { statusCodes, statusOfEnding } from "../peers.js";
import type { CallStatus } from "../peers.js";
import type { Roster } from "../roster.js";
import { Violation } from "../seat.js";
import type { OpenUpdate, ReceiveChunks, Said, Seat } from "../seat.js";
import type { AnnouncedFit } from "../wire/client-message.js";
import { Timers } from "../timers.js";
import { lengthOfPieces } from "../wire/protobuf-writer.js";
import { checkLength, encodeInstructionPieces } from "../wire/server-message.js";
import { ByteSource, Interrupted } from "./byte-source.js";
import { CallChunks } from "./call-chunks.js";
import { readOpening, responseHeaders, trailersOf } from "./call-headers.js";
import { nextLength } from "./frames.js";
import type { HeldBytes } from "./held-bytes.js";
import type { StreamingLimits } from "./limits.js";
import { MessageStream } from "./message-stream.js";
import { Outgoing } from "./outgoing.js";
import { receiveMessage } from "./receive.js";
import type { Heard } from "./receive.js";
import type { Uploads } from "./uploads.js";

/** What all calls of a server share. */
export interface Service {
  readonly roster: Roster;
  readonly uploads: Uploads;
  readonly held: HeldBytes;
  readonly limits: StreamingLimits;
  readonly lengths: Lengths;
  readonly run: string | undefined;
  readonly report: (error: unknown) => void;
}

/** Serves a call, or refuses it. Whatever a client sends ends at most its own call. */
export function serveCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, service: Service): void {
  // An error of the stream is its end, and "close" comes after it.
  stream.on("error", () => undefined);
  const opening = readOpening(headers);
  if (opening.type === "refused") {
    stream.respond(opening.headers, { endStream: true });
    // In a turn of its own: a reset in the same one overtakes the headers on Node 22.
    setImmediate(() => {
      stream.close(constants.NGHTTP2_NO_ERROR);
    });
    return;
  }
  const { client, timeoutMs } = opening;
  const { run, lengths } = service;
  stream.respond(responseHeaders(greeting(client, { run, ...lengths })), { waitForTrailers: true });
  const call = new Call(stream, service, timeoutMs);
  call.serve(client).catch((error: unknown) => {
    service.report(error);
    call.end({ code: statusCodes.INTERNAL, details: "the server failed" });
  });
}

class Call {
  readonly #stream: ServerHttp2Stream;
  readonly #service: Service;
  readonly #source: ByteSource;
  readonly #outgoing: Outgoing;
  readonly #timers = new Timers();
  #status: CallStatus | undefined;
  /** When the last instruction had gone. */
  #sentMs: number | undefined;

  constructor(stream: ServerHttp2Stream, service: Service, timeoutMs: number | undefined) {
    const { limits, held } = service;
    this.#stream = stream;
    this.#service = service;
    const stalled = (): void => {
      this.end({ code: statusCodes.DEADLINE_EXCEEDED, details: "the client stalled in the middle of a message" });
    };
    this.#source = new ByteSource(stream, held, limits.stallMs, stalled);
    this.#outgoing = new Outgoing(stream, limits, () => {
      // Half a message is on its way, and no trailers can follow that.
      stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on("wantTrailers", () => {
      this.#sendTrailers();
    });
    stream.on("close", () => {
      this.#timers.close();
    });
    if (timeoutMs !== undefined) {
      this.#timers.start("deadline", timeoutMs, () => {
        this.end({ code: statusCodes.DEADLINE_EXCEEDED, details: "the call's grpc-timeout has passed" });
      });
    }
  }

  /** From taking a seat to the end of what the client has to say. */
  async serve(client: Introduced): Promise<void> {
    const seat = this.#takeSeat(client);
    if (seat === undefined) return;
    try {
      await this.#listen(seat);
    } catch (error) {
      seat.leave("the connection was lost");
      if (!(error instanceof Interrupted)) throw error;
      this.#breakOff();
    } finally {
      this.#source.drop();
    }
  }

  /** Ends the call for the server's part, after what has been sent to the client. */
  end(status: CallStatus): void {
    if (this.#status !== undefined) return;
    this.#status = status;
    if (this.#stream.destroyed) return;
    this.#timers.start("farewell", this.#service.limits.farewellMs, () => {
      this.#stream.close(constants.NGHTTP2_CANCEL);
    });
    void this.#outgoing.gone().then(() => this.#stream.end());
  }

  #takeSeat({ id, chunks }: Introduced): Seat | undefined {
    const models = new OutgoingModels(chunks, this.#service.lengths);
    try {
      return this.#service.roster.join({
        client: id ?? anonymousId(),
        identified: id !== undefined,
        send: (instruction) => {
          this.#send(instruction, models);
        },
        end: ({ reason, message }) => {
          this.end({ code: statusOfEnding[reason], details: message });
        },
      });
    } catch (error) {
      this.end({ code: statusCodes.UNAVAILABLE, details: messageOf(error) });
      return undefined;
    }
  }

  #send(instruction: Instruction, models: OutgoingModels): void {
    const inChunks = models.inChunks(instruction);
    const pieces = inChunks ? [] : encodeInstructionPieces(instruction);
    checkLength(instruction, lengthOfPieces(pieces), this.#service.lengths.maxMessageBytes);
    this.#sentMs = undefined;
    if (inChunks) this.#outgoing.sendEach(inChunks);
    else this.#outgoing.send(pieces);
    void this.#outgoing.gone().then(() => (this.#sentMs = performance.now()));
  }

  /** Hears message after message; the next is not looked at before the last is at rest. */
  async #listen(seat: Seat): Promise<void> {
    const { maxMessageBytes } = this.#service.lengths;
    for (;;) {
      const length = await nextLength(this.#source, maxMessageBytes);
      if (length === undefined) break;
      if (typeof length === "object") {
        seat.leave(length.details);
        this.end(length);
        return;
      }
      const beganMs = performance.now();
      const message = new MessageStream(this.#source, length, "ClientMessage", this.#service.limits.scalarsBytes);
      let endedMs: number | undefined;
      await seat.hear(
        async (openUpdate, receiveChunks) => {
          const heard = await this.#receive(message, openUpdate);
          endedMs = message.endedMs;
          if (heard.type !== "announced") return heard;
          const said = await this.#receiveAnnounced(heard, receiveChunks);
          endedMs = performance.now();
          return said;
        },
        () => {
          // An answer may begin before the server hears that the end of its question has gone.
          return { sentMs: Math.min(this.#sentMs ?? beganMs, beganMs), beganMs, endedMs: endedMs ?? performance.now() };
        },
      );
      this.#source.messageEnds();
      if (this.#status !== undefined) break;
    }
    const how = this.#source.ended ? "the client closed the connection" : "the connection was lost";
    seat.leave(this.#status?.details ?? how);
    // Only now, so that the replies before it are at rest when the client reads that its stream has ended.
    await seat.settled();
    this.end({ code: statusCodes.OK, details: "" });
  }

  /** One message. One that cannot be read or stored is passed over, so that the client can be asked again. */
  async #receive(message: MessageStream, openUpdate: OpenUpdate): Promise<Heard> {
    const length = message.root.end;
    const place = await this.#service.uploads.enter(length);
    const restore = this.#widen(length);
    try {
      return await receiveMessage(message, place, openUpdate);
    } catch (error) {
      if (error instanceof Interrupted) return this.#lost();
      if (!(error instanceof Violation)) await message.skipTo(length).catch(() => undefined);
      throw error;
    } finally {
      place.leave();
      restore();
    }
  }

  /** An answer whose update follows in chunks: in its turn, as one long message would. */
  async #receiveAnnounced({ announced, answer }: AnnouncedFit, receiveChunks: ReceiveChunks): Promise<Said> {
    const { uploads, lengths } = this.#service;
    const turn = await uploads.turn();
    const restore = this.#widen(Infinity);
    try {
      const chunks = new CallChunks(this.#source, this.#outgoing, lengths.chunkBytes);
      return { ...answer, update: await receiveChunks(announced, chunks) };
    } catch (error) {
      if (error instanceof Interrupted) return this.#lost();
      throw error;
    } finally {
      turn.leave();
      restore();
    }
  }

  #lost(): Said {
    this.#breakOff();
    return { type: "lost" };
  }

  /** The client has ended its stream in the middle of a message; one whose connection is lost is told nothing. */
  #breakOff(): void {
    if (!this.#source.ended) return;
    this.end({ code: statusCodes.INTERNAL, details: "the client ended its stream in the middle of a message" });
  }

  /** Lets more of a long message arrive before it is read. Clients that are not being read get by with little. */
  #widen(length: number): () => void {
    const { windowBytes, smallMessageBytes } = this.#service.limits;
    if (length <= smallMessageBytes) return () => undefined;
    const grant = (initialWindowSize: number): void => {
      const { session } = this.#stream;
      if (session !== undefined && !session.destroyed && !session.closed) session.settings({ initialWindowSize });
    };
    grant(windowBytes);
    return () => {
      grant(smallMessageBytes);
    };
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.sendTrailers(trailersOf(this.#status ?? { code: statusCodes.OK, details: "" }));
    // The client may still be sending what nobody will read; it must first see the trailers.
    if (!this.#source.ended)
      setImmediate(() => {
        stream.close(constants.NGHTTP2_NO_ERROR);
      });
  }
}
