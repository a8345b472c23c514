// Tests of a client's life: it comes back, keeps its name and its answers, and ends when it should.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { isFederationError, memorySink } from "@perennial-fl/core";
import { inMemoryFleet } from "@perennial-fl/transport";
import { startClient } from "../src/index.js";
import type { ClientEvent, ClientOptions } from "../src/index.js";
import { ask, counter } from "./support/questions.js";
import { scriptedServer } from "./support/scripted-server.js";
import type { Stay } from "./support/scripted-server.js";

const goodbye: Stay = { asks: [], then: "says goodbye" };

/** Runs a client through a script; time passes only while it sleeps. */
async function live(stays: readonly Stay[], options: Partial<ClientOptions> = {}) {
  const server = scriptedServer(stays);
  const events: ClientEvent[] = [];
  const sleeps: number[] = [];
  let time = 0;
  const running = startClient({
    client: counter(),
    connect: server.connect,
    clientId: "a",
    observe: (event) => events.push(event),
    sleep: (ms) => {
      sleeps.push(ms);
      time += ms;
      return Promise.resolve();
    },
    now: () => time,
    ...options,
  });
  let error: unknown;
  await running.catch((thrown: unknown) => (error = thrown));
  const of = <T extends ClientEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<ClientEvent, { type: T }> => event.type === type);
  return { server, events, sleeps, error, of };
}

describe("a client's life", () => {
  it("ends normally when the server says that the run is over, and closes the client once", async () => {
    let closed = 0;
    const client = {
      ...counter(),
      close: () => {
        closed += 1;
      },
    };
    const { error, events } = await live([{ asks: [ask("fit", 1)], run: "r", then: "says goodbye" }], { client });
    expect(error).to.equal(undefined);
    expect(events.map(({ type }) => type)).to.deep.equal(["started", "connected", "asked", "answered", "finished"]);
    expect(closed).to.equal(1);
  });

  it("waits for an absent server with growing, jittered waits under the cap, the same for the same id", async () => {
    const stays: Stay[] = [...Array.from({ length: 12 }, (): Stay => "absent"), goodbye];
    const backoff = { firstMs: 100, maxMs: 1000 };
    const { sleeps, server } = await live(stays, { backoff });
    expect(sleeps).to.have.length(12);
    sleeps.forEach((ms, tries) => expect(ms).to.be.within(0, Math.min(1000, 100 * 2 ** tries)));
    expect(Math.max(...sleeps)).to.be.greaterThan(100);
    expect(new Set(sleeps).size).to.equal(12);
    expect((await live(stays, { backoff })).sleeps).to.deep.equal(sleeps);
    expect((await live(stays, { backoff, clientId: "b" })).sleeps).not.to.deep.equal(sleeps);
    expect(new Set(server.ids)).to.deep.equal(new Set(["a"]));
  });

  it("begins with short waits again once a server has spoken", async () => {
    const absent = Array.from({ length: 8 }, (): Stay => "absent");
    const spoke: Stay = { asks: [ask("fit", 1)], then: "loses" };
    const { sleeps } = await live([...absent, spoke, goodbye], { backoff: { firstMs: 1, maxMs: 1e6 } });
    expect(sleeps.at(-1)).to.be.at.most(1);
  });

  it("warns of another client under its id, and comes back to it ever more slowly", async () => {
    const stays = Array.from({ length: 12 }, (): Stay => ({ asks: [ask("fit", 1)], then: "is replaced" }));
    const { sleeps, of } = await live([...stays, goodbye], { backoff: { firstMs: 1, maxMs: 1e6 } });
    expect(Math.max(...sleeps)).to.be.greaterThan(8);
    expect(of("warning").map(({ message }) => message)).to.deep.equal(
      stays.map(() => "another connection took the place of a: if two clients run under this id, give each its own"),
    );
  });

  it("gives up with the connection's error after the time that it was told", async () => {
    const absent = Array.from({ length: 1000 }, (): Stay => "absent");
    const { error, sleeps } = await live(absent, { backoff: { giveUpAfterMs: 20_000 } });
    expect(isFederationError(error, "connection/refused")).to.equal(true);
    expect(sleeps.reduce((sum, ms) => sum + ms, 0)).to.be.within(15_000, 20_000);
  });

  it("treats a stream that just ends as a lost server, and comes back", async () => {
    const { error, of } = await live([{ asks: [], then: "ends" }, goodbye]);
    expect(error).to.equal(undefined);
    expect(of("disconnected")[0]?.message).to.include("without saying when to come back");
  });

  it("leaves for as long as the server says, and joins again under its id", async () => {
    const { sleeps, of, server } = await live([{ asks: [{ type: "reconnect", seconds: 7 }], then: "ends" }, goodbye]);
    expect(sleeps).to.deep.equal([7000]);
    expect(of("waiting")).to.deep.equal([{ type: "waiting", ms: 7000, reason: "told" }]);
    expect(server.ids).to.deep.equal(["a", "a"]);
  });

  it("answers from the store after the connection was lost with the reply on it", async () => {
    const client = counter();
    const { server, of } = await live(
      [
        { asks: [ask("fit", 1, 5)], run: "r", then: "stays silent", loseReply: 0 },
        { asks: [ask("fit", 1, 5)], run: "r", then: "says goodbye" },
      ],
      { client },
    );
    expect(client.calls).to.deep.equal(["fit"]);
    expect(of("answered").map(({ fromStore }) => fromStore)).to.deep.equal([true]);
    expect(server.replies).to.have.length(1);
  });

  it("tells the server and the observer of an exception, and lives on", async () => {
    const client = { ...counter(), evaluate: () => Promise.reject(new Error("no ground truth")) };
    const { server, of } = await live([{ asks: [ask("evaluate", 1), ask("fit", 2)], then: "says goodbye" }], {
      client,
    });
    expect(server.replies[0]).to.deep.equal({ type: "refused", message: "no ground truth" });
    expect(server.replies[1]?.type).to.equal("fit");
    expect(of("failed").map(({ message, code }) => [code, message])).to.deep.equal([
      ["client/failed", "no ground truth"],
    ]);
  });

  it("stops on a signal while it waits for a question", async () => {
    const stop = new AbortController();
    const { error, events } = await live([{ asks: [ask("fit", 1)], then: "stays silent" }], {
      signal: stop.signal,
      observe: (event) => {
        if (event.type === "answered") stop.abort();
      },
    });
    expect(error).to.equal(undefined);
    expect(events).to.deep.equal([]);
  });

  it("keeps the answer that it was making when the signal fired", async () => {
    await withDirectory(async (stateDir) => {
      const stop = new AbortController();
      const client = counter();
      const { fit } = client;
      client.fit = (...question) => {
        stop.abort();
        return fit(...question);
      };
      const question = ask("fit", 1, 5);
      const stopped = await live([{ asks: [question], then: "stays silent" }], {
        client,
        stateDir,
        signal: stop.signal,
      });
      expect(stopped.server.replies).to.deep.equal([]);
      expect(stopped.events.at(-1)).to.deep.equal({ type: "finished", reason: "stopped" });
      const { of } = await live([{ asks: [question], then: "says goodbye" }], { stateDir });
      expect(of("answered")[0]?.fromStore).to.equal(true);
    });
  });

  it("keeps answers and state in its directory, for the next process", async () => {
    await withDirectory(async (stateDir) => {
      const first = await live([{ asks: [ask("fit", 1, 5)], run: "r", then: "says goodbye" }], { stateDir });
      const client = counter();
      const asks = [ask("fit", 1, 5), ask("fit", 2, 10)];
      const second = await live([{ asks, run: "r", then: "says goodbye" }], { client, stateDir });
      expect(client.calls).to.deep.equal(["load 5", "fit"]);
      expect(second.server.replies[0]).to.deep.equal(first.server.replies[0]);
      const summed = second.server.replies[1];
      expect(summed?.type === "fit" && summed.update[0]?.data[0]).to.equal(15);
    });
  });

  it("gives itself a lasting id in a directory that has none", async () => {
    await withDirectory(async (stateDir) => {
      const anonymous = { stateDir, clientId: undefined } as unknown as Partial<ClientOptions>;
      const first = await live([goodbye], anonymous);
      const second = await live([goodbye], anonymous);
      expect(first.server.ids[0]).to.match(/^[0-9a-f-]{36}$/);
      expect(second.server.ids).to.deep.equal(first.server.ids);
    });
  });

  it("refuses a directory of another client, and names both", async () => {
    await withDirectory(async (stateDir) => {
      await live([goodbye], { stateDir });
      const { error } = await live([goodbye], { stateDir, clientId: "b" });
      expect(isFederationError(error, "plan/mismatch")).to.equal(true);
      expect(String(error)).to.include("belongs to the client a, and b was to use it");
      expect((await live([goodbye], { stateDir })).error).to.equal(undefined);
    });
  });

  it("refuses a directory that another client has, and one that is not there", async () => {
    await withDirectory(async (stateDir) => {
      const stop = new AbortController();
      let inner: unknown;
      const client = counter();
      client.fit = async (parameters) => {
        inner = (await live([goodbye], { stateDir })).error;
        stop.abort();
        return { parameters, numExamples: 1 };
      };
      await live([{ asks: [ask("fit", 1)], then: "stays silent" }], { client, stateDir, signal: stop.signal });
      expect(isFederationError(inner, "storage/locked")).to.equal(true);
      const { error } = await live([goodbye], { stateDir: join(stateDir, "missing") });
      expect(isFederationError(error, "storage/directory")).to.equal(true);
    });
  });

  it("says what is wrong when it is given no way to a server, or two", async () => {
    for (const options of [{}, { serverAddress: "127.0.0.1:1", connect: scriptedServer([]).connect }]) {
      const error: unknown = await startClient({ client: counter(), ...options }).catch((thrown: unknown) => thrown);
      expect(isFederationError(error, "argument/invalid")).to.equal(true);
    }
  });

  it("serves a fleet in memory under its own id", async () => {
    const { fleet, ...memory } = inMemoryFleet({ openSink: () => memorySink(), run: "r" });
    const running = startClient({
      client: counter(),
      connect: (clientId) => memory.connect(clientId),
      clientId: "ward-4",
    });
    const told: string[] = [];
    for await (const event of fleet.events()) {
      told.push("client" in event ? `${event.type} ${event.client}` : event.type);
      if (event.type === "joined") fleet.send("ward-4", ask("fit", 1, 5));
      if (event.type === "replied") fleet.send("ward-4", { type: "reconnect", seconds: 0 });
      if (event.type === "left") break;
    }
    await running;
    await fleet.close();
    expect(told).to.deep.equal(["joined ward-4", "replied ward-4", "left ward-4"]);
  });
});

async function withDirectory(body: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "perennial-client-"));
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true });
  }
}
