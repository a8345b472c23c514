// What stands in the headers and trailers of a call.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { introduction } from "../introduction.js";
import type { Introduced } from "../introduction.js";
import { statusCodes } from "../peers.js";
import type { CallStatus } from "../peers.js";

/** The one method that is served. */
export const joinPath = "/flwr.proto.FlowerService/Join";

const contentType = "application/grpc";

/** The longest that a timer of ours is set for; a deadline further away is none. */
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** What a call's headers say. */
export type Opening =
  | { readonly type: "join"; readonly client: Introduced; readonly timeoutMs: number | undefined }
  /** The only thing to answer, with nothing after it. */
  | { readonly type: "refused"; readonly headers: OutgoingHttpHeaders };

export function readOpening(headers: IncomingHttpHeaders): Opening {
  if (headers[":method"] !== "POST") return { type: "refused", headers: { ":status": 405 } };
  const type = headers["content-type"];
  if (type === undefined || !/^application\/grpc($|[+;])/.test(type)) {
    return { type: "refused", headers: { ":status": 415 } };
  }
  const client = introduction((name) => textIn(headers, name));
  const timeout = textIn(headers, "grpc-timeout");
  const timeoutMs = timeout === undefined ? undefined : parseTimeout(timeout);
  const refusal = callRefusal(headers) ?? (Number.isNaN(timeoutMs) ? noTimeout(timeout) : undefined);
  if (refusal !== undefined) return refusedWith(refusal);
  return client.type === "refused" ? refusedWith(client.refusal) : { type: "join", client, timeoutMs };
}

function refusedWith(refusal: CallStatus): Opening {
  return { type: "refused", headers: { ...responseHeaders({}), ...trailersOf(refusal) } };
}

/** The headers of a call that is served, or of one that is refused in gRPC's words. */
export function responseHeaders(metadata: Readonly<Record<string, string>>): OutgoingHttpHeaders {
  return { ":status": 200, "content-type": contentType, "grpc-accept-encoding": "identity", ...metadata };
}

/** The end of a call. A message is percent-encoded, byte by byte of its UTF-8, as gRPC has it. */
export function trailersOf({ code, details }: CallStatus): OutgoingHttpHeaders {
  if (details === "") return { "grpc-status": String(code) };
  const encoded = Array.from(Buffer.from(details, "utf8"), (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x25
      ? `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
      : String.fromCharCode(byte),
  );
  return { "grpc-status": String(code), "grpc-message": encoded.join("") };
}

/** Why no call of this kind is served, if so. */
function callRefusal(headers: IncomingHttpHeaders): CallStatus | undefined {
  if (headers[":path"] !== joinPath) {
    return { code: statusCodes.UNIMPLEMENTED, details: `the server has no method ${headers[":path"] ?? ""}` };
  }
  const encoding = textIn(headers, "grpc-encoding") ?? "identity";
  if (encoding === "identity") return undefined;
  return { code: statusCodes.UNIMPLEMENTED, details: `messages compressed by ${encoding} are not received` };
}

function noTimeout(text: string | undefined): CallStatus {
  return { code: statusCodes.INTERNAL, details: `a grpc-timeout is not ${JSON.stringify(text)}` };
}

/** Up to 8 digits and a unit; NaN for anything else. */
function parseTimeout(text: string): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === undefined || unit === undefined ? NaN : Number(digits) * (unitMs[unit] as number);
}

function textIn(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
