// Both servers speak TLS: the same promises, encrypted, and nothing for a client that trusts another authority.
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { float32, memorySink, sameTensor } from "@perennial-fl/core";
import { describeTransport } from "../src/conformance.js";
import { connect, listen, listenStreaming } from "../src/index.js";

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));
const tls = { cert: fixture("server.pem"), key: fixture("server.key.pem") };
const rootCertificates = fixture("ca.pem");
const servers = { streaming: listenStreaming, grpc: listen } as const;

for (const [name, open] of Object.entries(servers)) {
  describeTransport(`over TLS, ${name}`, async (openSink) => {
    const fleet = await open({ address: "localhost:0", openSink, run: "r-1", tls });
    return {
      fleet,
      connect: (clientId) =>
        connect({
          serverAddress: fleet.address,
          tls: { rootCertificates },
          ...(clientId === undefined ? {} : { clientId }),
        }),
    };
  });

  describe(`the ${name} server with TLS`, () => {
    it("is not reached by clients that do not trust it, nor by clients without TLS, and goes on", async () => {
      const fleet = await open({ address: "localhost:0", openSink: () => memorySink(), tls });
      const { address } = fleet;
      for (const trust of [{ tls: {} }, {}]) {
        const error: unknown = await connect({ serverAddress: address, ...trust }).then(
          (connection) => connection.close(),
          (thrown: unknown) => thrown,
        );
        expect(error).to.have.property("code", "connection/refused");
      }
      const events = fleet.events()[Symbol.asyncIterator]();
      const client = await connect({ serverAddress: address, clientId: "ann", tls: { rootCertificates } });
      expect((await events.next()).value).to.deep.include({ type: "joined", client: "ann" });
      // Larger than all windows and pieces together.
      const model = [
        float32(
          [2_000_003],
          Float32Array.from({ length: 2_000_003 }, (_, i) => i),
        ),
      ];
      fleet.send("ann", { type: "fit", parameters: model, config: {} });
      const { value } = (await client.instructions()[Symbol.asyncIterator]().next()) as {
        value: { parameters: typeof model };
      };
      expect(value.parameters.every((tensor, i) => sameTensor(tensor, model[i] ?? tensor))).to.equal(true);
      await client.close();
      await fleet.close();
    });

    it("refuses a key that is none, naming its address", async () => {
      const error: unknown = await open({
        address: "localhost:0",
        openSink: () => memorySink(),
        tls: { ...tls, key: Buffer.from("no key") },
      }).catch((thrown: unknown) => thrown);
      expect(error).to.have.property("code", "server/address");
    });
  });
}
