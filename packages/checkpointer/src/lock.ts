// A lock that the kernel releases when its holder dies: a socket that only one process can listen on.
import { createHash } from "node:crypto";
import { unlink } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FederationError, messageOf } from "@perennial-fl/core";
import { systemCode } from "./disk.js";
import type { StorageLock } from "./storage.js";

/** How long a holder is given to say who it is. It is only for the message, so a busy holder may miss it. */
const answerTimeoutMs = 500;

/**
 * Takes the lock of the directory with this `identity`. On Linux the socket is an abstract one, on Windows a named
 * pipe: both vanish with their process. Elsewhere it is a socket file in the temporary directory; one that nobody
 * answers on is left over from a dead process and is removed. The lock holds on one machine (on Linux: in one network
 * namespace); a directory shared between machines is protected by the log's check of its position alone.
 */
export async function lockDirectory(location: string, identity: string): Promise<StorageLock> {
  return lockAddress(location, lockAddressOf(identity, process.platform));
}

export function lockAddressOf(identity: string, platform: NodeJS.Platform): string {
  const name = `perennial-${createHash("sha256").update(identity).digest("hex").slice(0, 32)}`;
  if (platform === "linux") return `\0${name}`;
  if (platform === "win32") return `\\\\.\\pipe\\${name}`;
  return join(tmpdir(), `${name}.lock`);
}

/** {@link lockDirectory} on a given socket address. */
export async function lockAddress(location: string, address: string): Promise<StorageLock> {
  try {
    return await listen(address);
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE") throw lockError(location, error);
  }
  const holder = await askHolder(address);
  if (holder === "gone" && !address.startsWith("\0")) {
    try {
      await unlink(address);
      return await listen(address);
    } catch (error) {
      throw lockError(location, error);
    }
  }
  const who = /^\d+$/.test(holder) ? `process ${holder}` : "another process";
  throw new FederationError("storage/locked", `${location} is in use by ${who}`);
}

function lockError(location: string, cause: unknown): FederationError {
  return new FederationError("storage/io", `locking ${location}: ${messageOf(cause)}`, { cause });
}

async function listen(address: string): Promise<StorageLock> {
  const server: Server = createServer((socket) => {
    // Whoever asks may be gone before the answer.
    socket.on("error", () => undefined);
    socket.end(String(process.pid));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address, resolve);
  });
  // The lock alone is no reason to keep the process alive.
  server.unref();
  let released: Promise<void> | undefined;
  return {
    release: () =>
      (released ??= new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      )),
  };
}

/** The process id of the holder, `gone` if nobody listens, or nothing if it does not answer. */
function askHolder(address: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(address);
    socket.setEncoding("utf8");
    socket.setTimeout(answerTimeoutMs, () => socket.destroy());
    socket.on("data", (text) => (answer += String(text)));
    socket.on("error", (error) => {
      resolve(systemCode(error) === "ECONNREFUSED" ? "gone" : "");
    });
    socket.on("close", () => {
      resolve(answer);
    });
  });
}
