// One client's stream at the server: who it is, its messages into its seat, and instructions back.
import { status } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { messageOf } from "@perennial-fl/core";
import { OutgoingModels } from "../chunks/outgoing-model.js";
import { anonymousId } from "../client-id.js";
import { Interrupted } from "../http2/byte-source.js";
import { greeting, introduction } from "../introduction.js";
import type { Introduced } from "../introduction.js";
import type { Lengths } from "../options.js";
import { statusOfEnding } from "../peers.js";
import type { Roster } from "../roster.js";
import type { Seat } from "../seat.js";
import { decodeClientMessage } from "../wire/client-message.js";
import { pourParameters } from "../wire/parameters.js";
import { join } from "../wire/protobuf-writer.js";
import type { Pieces } from "../wire/protobuf-writer.js";
import { checkLength, encodeInstruction } from "../wire/server-message.js";
import { ServedChunks } from "./served-chunks.js";
import { metadataOf, valueIn } from "./service.js";

type Call = ServerDuplexStream<Buffer, Buffer>;

interface CallsOptions {
  readonly roster: Roster;
  readonly lengths: Lengths;
  readonly report: (error: unknown) => void;
  readonly run: string | undefined;
}

/** What to do with each call of `Join`. */
export function openCalls(options: CallsOptions): { readonly serve: (call: Call) => void } {
  return {
    serve: (call) => {
      // An exception in a callback of a stream would end the process: it ends this call instead.
      const guard = (act: () => void): void => {
        try {
          act();
        } catch (error) {
          options.report(error);
          endCall(call, status.INTERNAL, "the server failed");
        }
      };
      guard(() => {
        serveCall(call, guard, options);
      });
    },
  };
}

function serveCall(call: Call, guard: (act: () => void) => void, options: CallsOptions): void {
  const client = introduction((name) => valueIn(call.metadata, name));
  if (client.type === "refused") {
    endCall(call, client.refusal.code, client.refusal.details);
    return;
  }
  const chunks = new ServedChunks(call, options.lengths.chunkBytes);
  const seat = takeSeat(call, client, chunks, options);
  if (seat === undefined) return;
  call.on("data", (message: Buffer) => {
    guard(() => {
      if (!chunks.takes(message)) hear(seat, message, chunks);
    });
  });
  call.on("cancelled", () => {
    guard(() => {
      chunks.end();
      seat.leave("the connection was lost");
    });
  });
  call.on("end", () => {
    guard(() => {
      chunks.end();
      seat.leave("the client closed the connection");
      // Only now, so that the replies before it are at rest when the client reads that its stream has ended.
      void seat.settled().then(() => call.end());
    });
  });
}

function takeSeat(call: Call, client: Introduced, served: ServedChunks, options: CallsOptions): Seat | undefined {
  const { roster, lengths, run } = options;
  const models = new OutgoingModels(client.chunks, lengths);
  // At once, so that a client knows that it is at a server of ours before the first instruction.
  call.sendMetadata(metadataOf(greeting(client, { run, ...lengths })));
  try {
    return roster.join({
      client: client.id ?? anonymousId(),
      identified: client.id !== undefined,
      send: (instruction) => {
        const inChunks = models.inChunks(instruction);
        if (inChunks === undefined) {
          const message = encodeInstruction(instruction);
          checkLength(instruction, message.byteLength, lengths.maxMessageBytes);
          call.write(message);
          return;
        }
        sendEach(call, inChunks).catch((error: unknown) => {
          options.report(error);
          endCall(call, status.INTERNAL, "the server failed");
        });
      },
      end: ({ reason, message }) => {
        served.end();
        endCall(call, statusOfEnding[reason], message);
      },
    });
  } catch (error) {
    endCall(call, status.UNAVAILABLE, messageOf(error));
    return undefined;
  }
}

/** Writes messages that are made one at a time, each when the one before has gone. */
async function sendEach(call: Call, messages: AsyncIterable<Pieces>): Promise<void> {
  for await (const pieces of messages) {
    if (call.cancelled) return;
    await new Promise<void>((resolve) => {
      call.once("cancelled", resolve);
      call.write(join(pieces), () => {
        call.off("cancelled", resolve);
        resolve();
      });
    });
  }
}

function hear(seat: Seat, bytes: Buffer, chunks: ServedChunks): void {
  void seat.hear(async (openUpdate, receiveChunks) => {
    const message = decodeClientMessage(bytes);
    if (message.type === "announced") {
      const { announced, answer } = message;
      try {
        return { ...answer, update: await chunks.during(() => receiveChunks(announced, chunks)) };
      } catch (error) {
        if (error instanceof Interrupted) return { type: "lost" };
        throw error;
      }
    }
    if (message.type !== "fit" && message.type !== "parameters") return message;
    const sink = openUpdate(message.type);
    const name = `${message.type === "fit" ? "fit_res" : "get_parameters_res"}.parameters`;
    return { ...message, update: await pourParameters(message.update, name, sink) };
  });
}

function endCall(call: Call, code: number, details: string): void {
  if (!call.cancelled) call.emit("error", { code, details });
}
