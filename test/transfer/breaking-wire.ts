// A wire to a server that breaks now and then, and counts what has passed.
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface Wire {
  readonly address: string;
  /** Bytes that came out of the wire, over all connections. */
  readonly passed: { toServer: number; toClient: number };
  readonly breaks: number;
  close(): void;
}

/** Each connection in turn ends when so many bytes in all have passed in one direction; those after the last stay. */
export async function breakingWire(target: string, breaksAt: readonly Partial<Wire["passed"]>[]): Promise<Wire> {
  const passed = { toServer: 0, toClient: 0 };
  const sockets = new Set<Socket>();
  const left = [...breaksAt];
  const server = createServer((near) => {
    const far = connect(Number(target.split(":")[1]), "127.0.0.1");
    const both = [near, far];
    const pass = (from: Socket, to: Socket, way: keyof typeof passed): void => {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
      from.on("data", (bytes) => {
        const [next] = left;
        const whole = Math.max((next?.[way] ?? Infinity) - passed[way], 0);
        const part = bytes.subarray(0, whole);
        passed[way] += part.byteLength;
        if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        if (part.byteLength === bytes.byteLength) return;
        left.shift();
        for (const socket of both) socket.destroy();
      });
    };
    pass(near, far, "toServer");
    pass(far, near, "toClient");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    get breaks() {
      return breaksAt.length - left.length;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
