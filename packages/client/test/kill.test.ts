// A test with a real process: killed while it trains, a client comes back as if nothing had happened.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { startClient } from "../src/index.js";
import type { ClientEvent } from "../src/index.js";
import { ask, counter } from "./support/questions.js";
import { scriptedServer } from "./support/scripted-server.js";

const script = fileURLToPath(new URL("./support/killable-client.js", import.meta.url));

describe("a client that is killed in the middle of training", () => {
  it("answers the round before from its store, and trains the interrupted one from the right state", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "perennial-kill-"));
    try {
      const child = spawn(process.execPath, [script, stateDir], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      child.kill("SIGKILL");
      const [, signal] = (await once(child, "exit")) as [unknown, string];
      expect(signal).to.equal("SIGKILL");
      const client = counter();
      const events: ClientEvent[] = [];
      const asks = [ask("fit", 1, 5), ask("fit", 2, 10)];
      const { connect, replies } = scriptedServer([{ asks, run: "r", then: "says goodbye" }]);
      await startClient({ client, clientId: "a", stateDir, connect, observe: (event) => events.push(event) });
      const answered = events.flatMap((event) => (event.type === "answered" ? [event.fromStore] : []));
      expect(answered).to.deep.equal([true, false]);
      expect(client.calls).to.deep.equal(["load 5", "fit"]);
      expect(replies.map((reply) => reply.type === "fit" && reply.update[0]?.data[0])).to.deep.equal([5, 15]);
    } finally {
      await rm(stateDir, { recursive: true });
    }
  });
});
