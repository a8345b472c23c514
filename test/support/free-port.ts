// A port for servers that come and go.
import { createServer } from "node:net";

/**
 * A port of 127.0.0.1 that stays its server's while that is down: outside the range that the kernel gives to outgoing
 * connections, where a client that knocks could be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let port = 20_000 + (process.pid % 10_000); port < 32_768; port++) if (await isFree(port)) return port;
  throw new Error("no port is free");
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const free = await new Promise<boolean>((resolve) => {
    probe.once("error", () => {
      resolve(false);
    });
    probe.listen(port, "127.0.0.1", () => {
      resolve(true);
    });
  });
  if (!free) return false;
  await new Promise<void>((resolve) => {
    probe.close(() => {
      resolve();
    });
  });
  return true;
}
