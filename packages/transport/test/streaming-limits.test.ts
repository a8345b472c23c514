// What the streaming server does about clients that are slow, silent, dead or too busy. Each limit is set so low that the
// client is beyond it whatever the machine's speed.
import { expect } from "chai";
import { connect as connectSocket } from "node:net";
import { constants } from "node:http2";
import { float32 } from "@perennial-fl/core";
import { RawCall, Stage, framed, framedReply } from "./raw-client.js";

const large = [float32([500_000], new Float32Array(500_000))];

describe("the streaming server's limits", () => {
  let stage: Stage;
  afterEach(() => stage.close());

  it("forty clients join over one connection, as those of one Python process do", async () => {
    stage = await Stage.open();
    const session = stage.session().setMaxListeners(100);
    for (let count = 0; count < 40; count++) new RawCall(session);
    const joined = new Set<string>();
    while (joined.size < 40) joined.add((await stage.next("joined")).client);
  }).timeout(10_000);

  it("a client that stalls in the middle of a message is told so and leaves", async () => {
    stage = await Stage.open({ limits: { stallMs: 1 } });
    const call = await stage.ask();
    await call.write(framed(Buffer.from("2262", "hex"), 0, 100));
    expect((await stage.next("left")).message).to.match(/stalled/);
    expect((await call.ended)?.["grpc-status"]).to.equal("4");
  });

  it("a client that thinks for long is not stalled", async () => {
    stage = await Stage.open({ limits: { stallMs: 0 } });
    const call = await stage.ask();
    // Timers run in the order of their times, so a deadline of 0 ms would have passed.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await call.write(framedReply({ type: "refused", message: "no" }));
    await stage.next("replied");
  });

  it("a client that takes nothing of what it is sent is cut off", async () => {
    stage = await Stage.open({ limits: { stallMs: 1, sendBytes: 64 } });
    const { call, client } = await stage.join();
    call.stream.pause();
    stage.fleet.send(client, { type: "fit", parameters: large, config: {} });
    await stage.next("left");
    call.stream.resume();
    await call.ended;
    expect(call.stream.rstCode).to.equal(constants.NGHTTP2_CANCEL);
  });

  it("a call ends when its grpc-timeout has passed", async () => {
    stage = await Stage.open();
    for (const timeout of ["1m", "1000u", "1000000n"]) {
      const call = stage.call({ "grpc-timeout": timeout });
      await stage.next("joined");
      expect((await call.ended)?.["grpc-status"], timeout).to.equal("4");
      expect((await stage.next("left")).message).to.match(/grpc-timeout/);
    }
    stage.call({ "grpc-timeout": "99999999H" });
    await stage.next("joined");
  });

  it("a connection without a call is closed, and so is one that has not said a word", async () => {
    stage = await Stage.open({ limits: { idleMs: 20 } });
    const session = stage.session();
    const port = Number(stage.fleet.address.split(":")[1]);
    const silent = connectSocket(port, "127.0.0.1");
    await Promise.all([
      new Promise((resolve) => session.on("close", resolve)),
      new Promise((resolve) =>
        silent
          .on("close", resolve)
          .on("error", () => undefined)
          .resume(),
      ),
    ]);
  });

  it("a dead connection is found by asking", async () => {
    stage = await Stage.open({ limits: { keepaliveMs: 5, keepaliveTimeoutMs: 5 } });
    const dead = connectSocket(Number(stage.fleet.address.split(":")[1]), "127.0.0.1");
    // The preface and empty settings, and then nothing: no answer to a ping either.
    dead.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
    );
    dead.resume();
    await new Promise((resolve) => dead.on("close", resolve).on("error", () => undefined));
  });

  for (const [what, act] of [
    [
      "opens calls and resets them",
      (call: ReturnType<Stage["call"]>) => {
        call.session
          .request({ ":method": "POST" })
          .on("error", () => undefined)
          .close(constants.NGHTTP2_CANCEL);
      },
    ],
    ["pings", (call: ReturnType<Stage["call"]>) => call.session.ping(() => undefined)],
  ] as const) {
    it(`a client that ${what} without end is disconnected`, async () => {
      stage = await Stage.open({ limits: { burst: 8 } });
      const { call } = await stage.join();
      const closed = new Promise((resolve) => call.session.on("close", resolve));
      const told = new Promise((resolve) => call.session.on("goaway", resolve));
      for (let i = 0; i < 40 && !call.session.destroyed; i++) {
        act(call);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await told).to.equal(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      await closed;
      await stage.next("left");
    });
  }

  it("closing sends the last instruction, then the reason, then GOAWAY", async () => {
    stage = await Stage.open();
    const { call, client } = await stage.join();
    const goaway = new Promise((resolve) => call.session.on("goaway", resolve));
    const message = call.message();
    stage.fleet.send(client, { type: "fit", parameters: large, config: {} });
    const closing = stage.fleet.close();
    expect((await message).byteLength).to.be.greaterThan(2_000_000);
    expect((await call.ended)?.["grpc-status"]).to.equal("14");
    expect(await goaway).to.equal(constants.NGHTTP2_NO_ERROR);
    await closing;
  });
});
