// One client's stream at the server: who it is, its messages into its seat, and instructions back.
import { status } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { FederationError, messageOf } from "@perennial-fl/core";
import type { Instruction, Reply } from "@perennial-fl/core";
import { anonymousId, checkClientId } from "../client-id.js";
import type { Roster } from "../roster.js";
import type { ArrivedUpdate, Ending, Seat } from "../seat.js";
import { decodeClientMessage } from "../wire/client-message.js";
import { pourParameters } from "../wire/parameters.js";
import type { WireParameters } from "../wire/parameters.js";
import { encodeInstruction } from "../wire/server-message.js";
import { metadataNames, metadataOf, protocolVersion, valueIn } from "./service.js";

type Call = ServerDuplexStream<Buffer, Buffer>;

interface CallsOptions {
  readonly roster: Roster;
  readonly maxMessageBytes: number;
  readonly report: (error: unknown) => void;
  readonly run: string | undefined;
}

const statusOf = {
  closing: status.UNAVAILABLE,
  replaced: status.ABORTED,
  violation: status.INVALID_ARGUMENT,
} as const satisfies Record<Ending["reason"], status>;

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
  const refusal = refusalOf(call);
  if (refusal !== undefined) {
    endCall(call, refusal.code, refusal.details);
    return;
  }
  const seat = takeSeat(call, options);
  if (seat === undefined) return;
  call.on("data", (message: Buffer) => {
    guard(() => {
      hear(seat, message);
    });
  });
  call.on("cancelled", () => {
    guard(() => {
      seat.leave("the connection was lost");
    });
  });
  call.on("end", () => {
    guard(() => {
      seat.leave("the client closed the connection");
      // Only now, so that the replies before it are at rest when the client reads that its stream has ended.
      void seat.settled().then(() => call.end());
    });
  });
}

/** Why a call is not served at all, if so. */
function refusalOf({ metadata }: Call): { readonly code: status; readonly details: string } | undefined {
  const id = valueIn(metadata, metadataNames.client);
  if (id === undefined) return undefined;
  const version = valueIn(metadata, metadataNames.protocol);
  if (version !== protocolVersion) {
    const details = `this server speaks version ${protocolVersion} of perennial-protocol, not ${version ?? "none"}`;
    return { code: status.FAILED_PRECONDITION, details };
  }
  try {
    checkClientId(id);
    return undefined;
  } catch (error) {
    return { code: status.INVALID_ARGUMENT, details: messageOf(error) };
  }
}

function takeSeat(call: Call, { roster, maxMessageBytes, run }: CallsOptions): Seat | undefined {
  const id = valueIn(call.metadata, metadataNames.client);
  // At once, so that a client knows that it is at a server of ours before the first instruction.
  call.sendMetadata(metadataOf(id === undefined || run === undefined ? {} : { [metadataNames.run]: run }));
  try {
    return roster.join({
      client: id ?? anonymousId(),
      identified: id !== undefined,
      send: (instruction) => {
        call.write(encodeBelow(maxMessageBytes, instruction));
      },
      end: ({ reason, message }) => {
        endCall(call, statusOf[reason], message);
      },
    });
  } catch (error) {
    endCall(call, status.UNAVAILABLE, messageOf(error));
    return undefined;
  }
}

function hear(seat: Seat, bytes: Buffer): void {
  let read: () => Reply<ArrivedUpdate>;
  try {
    const message = decodeClientMessage(bytes);
    if (message.type === "disconnect") {
      seat.leave(`the client says that it leaves: ${message.reason}`);
      return;
    }
    const reply = arrivedReply(message);
    read = () => reply;
  } catch (error) {
    read = () => {
      throw error;
    };
  }
  seat.answer(read);
}

function arrivedReply(reply: Reply<WireParameters>): Reply<ArrivedUpdate> {
  if (reply.type !== "fit" && reply.type !== "parameters") return reply;
  const { type, update } = reply;
  const name = `${type === "fit" ? "fit_res" : "get_parameters_res"}.parameters`;
  return { ...reply, update: (sink) => pourParameters(update, name, sink) };
}

function encodeBelow(maxMessageBytes: number, instruction: Instruction): Buffer {
  const message = encodeInstruction(instruction);
  if (message.byteLength <= maxMessageBytes) return message;
  throw new FederationError(
    "wire/too-large",
    `a ${instruction.type} instruction has ${message.byteLength} bytes, more than the ${maxMessageBytes} of a message`,
  );
}

function endCall(call: Call, code: status, details: string): void {
  if (!call.cancelled) call.emit("error", { code, details });
}
