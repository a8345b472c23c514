// One client's stream at the server: who it is, its messages into its seat, and instructions back.
import { status } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { messageOf } from "@perennial-fl/core";
import { anonymousId } from "../client-id.js";
import { Interrupted } from "../http2/byte-source.js";
import { greeting, identityRefusal, metadataNames, statusOfEnding } from "../peers.js";
import type { Roster } from "../roster.js";
import type { Seat } from "../seat.js";
import { decodeClientMessage } from "../wire/client-message.js";
import { pourParameters } from "../wire/parameters.js";
import { checkLength, encodeInstruction } from "../wire/server-message.js";
import { ServedChunks } from "./served-chunks.js";
import { metadataOf, valueIn } from "./service.js";

type Call = ServerDuplexStream<Buffer, Buffer>;

interface CallsOptions {
  readonly roster: Roster;
  readonly maxMessageBytes: number;
  readonly chunkBytes: number;
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
  const [id, version] = [metadataNames.client, metadataNames.protocol].map((name) => valueIn(call.metadata, name));
  const refusal = identityRefusal(id, version);
  if (refusal !== undefined) {
    endCall(call, refusal.code, refusal.details);
    return;
  }
  const chunks = new ServedChunks(call, options.chunkBytes);
  const seat = takeSeat(call, chunks, options);
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

function takeSeat(call: Call, served: ServedChunks, options: CallsOptions): Seat | undefined {
  const { roster, maxMessageBytes, run, chunkBytes } = options;
  const [id, takenChunks] = [metadataNames.client, metadataNames.chunks].map((name) => valueIn(call.metadata, name));
  const client = { id, chunks: takenChunks !== undefined };
  // At once, so that a client knows that it is at a server of ours before the first instruction.
  call.sendMetadata(metadataOf(greeting(client, { run, chunkBytes })));
  try {
    return roster.join({
      client: id ?? anonymousId(),
      identified: id !== undefined,
      send: (instruction) => {
        const message = encodeInstruction(instruction);
        checkLength(instruction, message.byteLength, maxMessageBytes);
        call.write(message);
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
