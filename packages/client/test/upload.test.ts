// A test with a real process: killed while it uploads, a client goes on with that upload and does not train again.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { float32, memorySink, sameTensor } from "@perennial-fl/core";
import type { FleetEvent, OpenSink, RequestKey } from "@perennial-fl/core";
import { listenStreaming } from "@perennial-fl/transport";

const script = fileURLToPath(new URL("./support/uploading-client.js", import.meta.url));
const key: RequestKey = { run: "r", round: 1, attempt: 1, phase: "fit" };
const count = 200_000;

describe("a client that is killed in the middle of an upload", () => {
  it("goes on where the server left off, from its store and into the same sink", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "perennial-upload-"));
    let sinks = 0;
    let [written, arrived] = [0, (): void => undefined];
    const begun = new Promise<void>((resolve) => (arrived = resolve));
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const openSink: OpenSink = () => {
      sinks++;
      const sink = memorySink();
      return {
        ...sink,
        async write(chunk) {
          arrived();
          await released;
          written += chunk.byteLength;
          await sink.write(chunk);
        },
      };
    };
    const limits = { stageBytes: 2 ** 14 };
    const fleet = await listenStreaming({ address: "127.0.0.1:0", openSink, run: "r", chunkBytes: 10_000, limits });
    const events = fleet.events()[Symbol.asyncIterator]();
    const next = async (type: FleetEvent["type"]): Promise<FleetEvent> => {
      const { value } = (await events.next()) as { value: FleetEvent };
      expect(value.type).to.equal(type);
      return value;
    };
    const children: ChildProcess[] = [];
    const said: string[] = [];
    const start = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [script, stateDir, fleet.address], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.push(child);
      child.stdout.on("data", (text: Buffer) => said.push(String(text)));
      await next("joined");
      fleet.send("ann", { type: "fit", key, parameters: [float32([count], new Float32Array(count))], config: {} });
      return child;
    };
    try {
      const first = await start();
      await begun;
      first.kill("SIGKILL");
      await once(first, "exit");
      release();
      await next("left");
      expect(written)
        .to.be.greaterThan(0)
        .and.below(4 * count);
      await start();
      const event = await next("replied");
      if (event.type !== "replied" || event.reply.type !== "fit") expect.fail(event.type);
      const expected = float32(
        [count],
        Float32Array.from({ length: count }, (_, i) => i),
      );
      expect(sameTensor(event.reply.update.read(0), expected)).to.equal(true);
      expect({ sinks, written, said }).to.deep.equal({ sinks: 1, written: 4 * count, said: ["trained\n"] });
    } finally {
      for (const child of children) child.kill("SIGKILL");
      await fleet.close();
      await rm(stateDir, { recursive: true });
    }
  });
});
