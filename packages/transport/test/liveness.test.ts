// How a client learns that its server is dead, takes no message of its length, or has taken another in its place.
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { expect } from "chai";
import { float32, memorySink } from "@perennial-fl/core";
import type { OpenSink } from "@perennial-fl/core";
import { connect, listen, listenStreaming } from "../src/index.js";

const openSink: OpenSink = () => memorySink();
const address = "127.0.0.1:0";

/** A wire whose plug can be pulled: then nothing passes any more, and neither end is told. */
async function wireTo(target: string): Promise<{ address: string; pull: () => void; close: () => void }> {
  const sockets: Socket[] = [];
  let dead = false;
  const server: Server = createServer((near) => {
    const far = connectTcp(Number(target.split(":")[1]), "127.0.0.1");
    sockets.push(near, far);
    const pass = (from: Socket, to: Socket): void => {
      from.on("data", (bytes) => {
        if (!dead) to.write(bytes);
      });
      from.on("error", () => undefined);
    };
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    pull: () => (dead = true),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

for (const [name, open] of Object.entries({ "grpc-js": listen, streaming: listenStreaming })) {
  describe(`a client of the ${name} server`, () => {
    it("notices that the server's plug was pulled", async () => {
      const fleet = await open({ address, openSink });
      const wire = await wireTo(fleet.address);
      const times = { keepaliveMs: 20, keepaliveTimeoutMs: 200 };
      const client = await connect({ serverAddress: wire.address, clientId: "ann", ...times });
      const instruction = client.instructions()[Symbol.asyncIterator]().next();
      wire.pull();
      const error: unknown = await instruction.catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "connection/lost");
      wire.close();
      await client.close();
      await fleet.close();
    });

    it("may ask twenty times in a row whether the server is alive", async () => {
      const fleet = await open({ address, openSink });
      const session = connectHttp2(`http://${fleet.address}`);
      await once(session, "remoteSettings");
      let refused = false;
      session.on("goaway", () => (refused = true));
      for (let i = 0; i < 20; i++) {
        await new Promise<void>((resolve, reject) => {
          session.ping((error) => {
            if (error === null) resolve();
            else reject(error);
          });
        });
      }
      expect(refused).to.equal(false);
      session.destroy();
      await fleet.close();
    });

    it("learns that its answer is too long for the server, which is no lost connection", async () => {
      const fleet = await open({ address, openSink, maxMessageBytes: 1000 });
      const client = await connect({ serverAddress: fleet.address, clientId: "ann" });
      await fleet.events()[Symbol.asyncIterator]().next();
      fleet.send("ann", { type: "fit", parameters: [], config: {} });
      const instructions = client.instructions()[Symbol.asyncIterator]();
      await instructions.next();
      const update = [float32([300], new Float32Array(300))];
      await client.reply({ type: "fit", update, numExamples: 1, metrics: {} });
      const error: unknown = await instructions.next().catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "wire/too-large");
      expect((error as Error).message)
        .to.contain(fleet.address)
        .and.match(/1[23]\d\d/);
      await client.close();
      await fleet.close();
    });
  });
}

describe("a client", () => {
  it("refuses to ask whether its server is alive at no distance in time", async () => {
    const error: unknown = await connect({ serverAddress: "127.0.0.1:1", keepaliveMs: 0 }).catch((e: unknown) => e);
    expect(error).to.have.property("code", "argument/invalid");
    expect((error as Error).message).to.equal("keepaliveMs is a positive number of milliseconds, not 0");
  });
});
