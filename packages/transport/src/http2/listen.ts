// The server's side of Flower's protocol over node:http2: updates stream to their sinks, and the model is never copied.
import { createSecureServer, createServer } from "node:http2";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import { FederationError, messageOf } from "@perennial-fl/core";
import { lengthsOf } from "../options.js";
import type { ListenOptions, ListeningFleet } from "../options.js";
import { systemReason } from "../peers.js";
import { Roster } from "../roster.js";
import { serveCall } from "./call.js";
import type { Service } from "./call.js";
import { HeldBytes } from "./held-bytes.js";
import { defaultLimits } from "./limits.js";
import type { StreamingLimits } from "./limits.js";
import { watchSession } from "./session.js";
import { Uploads } from "./uploads.js";

/** MiB that HTTP/2 may hold of one connection, in both directions; beyond it Node ends calls. Node's default is 10. */
const sessionMemoryMiB = 64;

type AnyServer = Http2Server | Http2SecureServer;

export interface ListenStreamingOptions extends ListenOptions {
  /** What clients are granted, where it differs from the defaults. */
  readonly limits?: Partial<StreamingLimits>;
  /** Counts what is held of clients' messages. */
  readonly held?: HeldBytes;
}

/**
 * Listens as `listen` does, to the same clients, in memory that does not grow with them: an update flows into its sink
 * while it arrives, a few of them at a time, and the model is sent out of its tensors' own memory. Rejects with
 * `server/address` when the address cannot be bound.
 */
export async function listenStreaming(options: ListenStreamingOptions): Promise<ListeningFleet> {
  const { address, openSink, tls, report = () => undefined } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const held = options.held ?? new HeldBytes();
  const lengths = lengthsOf(options);
  const { stageBytes, scalarsBytes, partials, partialMs } = limits;
  const roster = new Roster(openSink, { report, held, partials: { stageBytes, scalarsBytes, partials, partialMs } });
  const uploads = new Uploads(limits, held);
  const service: Service = { roster, uploads, held, limits, lengths, run: options.run, report };
  const server = openServer(tls, limits, address);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    watchSession(session, limits, (stream, headers) => {
      serveCall(stream, headers, service);
    });
  });
  const bound = await bind(server, address);
  return {
    address: bound,
    events: () => roster.events(),
    takeReply: () => roster.takeReply(),
    send: (client, instruction) => {
      roster.send(client, instruction);
    },
    wait: (timer, ms) => {
      roster.wait(timer, ms);
    },
    close: async () => {
      await roster.close();
      await shutDown(server, sessions, limits.farewellMs);
    },
  };
}

function openServer(tls: ListenOptions["tls"], limits: StreamingLimits, address: string): AnyServer {
  const options = {
    maxSessionMemory: sessionMemoryMiB,
    settings: {
      enablePush: false,
      initialWindowSize: limits.smallMessageBytes,
      maxFrameSize: 2 ** 20,
      // The clients of one Python process share its connection, and whose call has no room waits without a word.
      maxConcurrentStreams: limits.burst,
      maxHeaderListSize: 2 ** 14,
    },
  };
  if (tls === undefined) return createServer(options);
  const { ca, cert, key } = tls;
  try {
    const files = { cert: Buffer.from(cert), key: Buffer.from(key), ...(ca && { ca: Buffer.from(ca) }) };
    // The client knows which cipher is cheap for it; all that Node allows are strong.
    const choice = { allowHTTP1: false, honorCipherOrder: false, handshakeTimeout: limits.idleMs };
    return createSecureServer({ ...options, ...files, ...choice });
  } catch (cause) {
    throw cannotListen(address, cause);
  }
}

/** Resolves with the address that clients can use. */
async function bind(server: AnyServer, address: string): Promise<string> {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(address)?.[1];
  if (path !== undefined) {
    await listenAt(server, { path }, address);
    return address;
  }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(digits) > 65_535) throw cannotListen(address, "it is no HOST:PORT");
  const port = Number(digits);
  await listenAt(server, { host, port }, address).catch((error: unknown) => {
    // A machine without IPv6 has its addresses of IPv4 only.
    if (host !== "::" || !lacksIPv6((error as Error).cause)) throw error;
    return listenAt(server, { host: "0.0.0.0", port }, address);
  });
  const at = server.address();
  const bound = typeof at === "object" && at !== null ? at.port : port;
  return `${address.slice(0, address.lastIndexOf(":"))}:${bound}`;
}

function lacksIPv6(error: unknown): boolean {
  return ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(String((error as NodeJS.ErrnoException | undefined)?.code));
}

function listenAt(
  server: AnyServer,
  where: { path: string } | { host: string; port: number },
  address: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      reject(cannotListen(address, cause));
    };
    server.once("error", fail);
    server.listen(where, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function cannotListen(address: string, cause: unknown): FederationError {
  const message = `the server cannot listen at ${address}: ${systemReason(messageOf(cause))}`;
  return new FederationError("server/address", message, { cause });
}

/** Lets ended calls reach their clients, and then closes what is still open. */
async function shutDown(
  server: AnyServer,
  sessions: ReadonlySet<ServerHttp2Session>,
  farewellMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  for (const session of sessions) session.close();
  const timer = setTimeout(() => {
    for (const session of sessions) session.destroy();
  }, farewellMs);
  await closed;
  clearTimeout(timer);
}
