// How a server meets its clients: over Flower's wire in one of two ways, or as its options say.
import { messageOf } from "@perennial-fl/core";
import type { Fleet, OpenSink } from "@perennial-fl/core";
import { listen, listenStreaming } from "@perennial-fl/transport";
import type { ServerOptions } from "./server-options.js";

export const transports = { streaming: listenStreaming, grpc: listen } as const;

/** Opens the fleet, and tells where it listens. Throws `server/address` if the address cannot be bound. */
export async function openFleet(options: ServerOptions, openSink: OpenSink, run: string): Promise<Fleet> {
  if (options.openFleet) return options.openFleet(openSink, run);
  const { address = "[::]:8080", tls, observe, transport = "streaming", chunks } = options;
  const fleet = await transports[transport]({
    address,
    openSink,
    run,
    ...chunks,
    ...(tls && { tls }),
    report: (error: unknown) => observe?.({ type: "warning", message: messageOf(error) }),
  });
  try {
    await options.onListening?.(fleet.address);
  } catch (error) {
    await fleet.close();
    throw error;
  }
  return fleet;
}
