// The server's side of Flower's protocol over grpc-js, which holds whole messages and copies them per client.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { FederationError, messageOf } from "@perennial-fl/core";
import { lengthsOf } from "../options.js";
import type { ListenOptions, ListeningFleet } from "../options.js";
import { systemReason } from "../peers.js";
import { Roster } from "../roster.js";
import { openCalls } from "./served-call.js";
import { joinMethod, sizeOptions } from "./service.js";

/** Routers drop idle connections after 4 minutes; C-core peers answer pings but tolerate few of their own. */
const keepaliveMs = 210_000;

/** How long streams that have been ended may take to say so to their clients. */
const farewellMs = 1_000;

/**
 * Listens for Flower clients and our own. Rejects with `server/address` when the address cannot be bound. Closing the
 * fleet ends every stream with UNAVAILABLE, frees the port and leaves nothing open.
 */
export async function listen(options: ListenOptions): Promise<ListeningFleet> {
  const { address, openSink, report = () => undefined } = options;
  const roster = new Roster(openSink, { report });
  const lengths = lengthsOf(options);
  const server = new Server({
    ...sizeOptions(lengths.maxMessageBytes),
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_permit_without_calls": 0,
  });
  const calls = openCalls({ roster, lengths, report, run: options.run });
  server.addService({ Join: joinMethod }, { Join: calls.serve });
  const port = await bind(server, address, credentials(options.tls));
  return {
    address: address.startsWith("unix:") ? address : `${address.slice(0, address.lastIndexOf(":"))}:${port}`,
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
      await shutDown(server);
    },
  };
}

function credentials(tls: ListenOptions["tls"]): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const ca = tls.ca === undefined ? null : Buffer.from(tls.ca);
  return ServerCredentials.createSsl(ca, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }]);
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      server.forceShutdown();
      const message = `the server cannot listen at ${address}: ${systemReason(messageOf(cause))}`;
      reject(new FederationError("server/address", message, { cause }));
    };
    try {
      server.bindAsync(address, credentials, (error, port) => {
        if (error === null) resolve(port);
        else fail(error);
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** Lets ended streams reach their clients, and then closes what is still open. */
function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      // A connection that its client broke off with an error is one that grpc-js waits for in vain.
      resolve();
    }, farewellMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
