// The streaming server and clients that leave at awkward moments: while they wait for their turn, or gently by GOAWAY.
import { expect } from "chai";
import { float32, memorySink, sameTensor } from "@perennial-fl/core";
import type { Parameters, Reply } from "@perennial-fl/core";
import { Stage, framed, framedReply } from "./raw-client.js";

const updateOf = (client: number): Parameters => [
  float32([40], new Float32Array(40).fill(client)),
  float32([0, 3], []),
  float32([], [client + 0.5]),
];
const answerOf = (client: number): Reply<Parameters> => {
  return { type: "fit", update: updateOf(client), numExamples: client, metrics: {} };
};

/** The reply that comes next must be this client's, with its own numbers. */
async function expectAnswer(stage: Stage, client: number): Promise<void> {
  const { reply } = await stage.next("replied");
  if (reply.type !== "fit") expect.fail(`a ${reply.type} reply`);
  expect(reply.numExamples).to.equal(client);
  expect(updateOf(client).map((sent, i) => sameTensor(reply.update.read(i), sent))).to.deep.equal([true, true, true]);
}

describe("the streaming server, with clients that leave", () => {
  let stage: Stage;
  afterEach(() => stage.close());

  it("forgets who leaves while waiting for a turn, and gives the turn to the next in the line", async () => {
    let opened: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (opened = resolve));
    const openSink = (): ReturnType<typeof memorySink> => {
      opened();
      return memorySink();
    };
    stage = await Stage.open({ openSink, limits: { uploads: 1, smallMessageBytes: 1 } });
    const [first, second, third] = [await stage.ask(), await stage.ask(), await stage.ask()];
    const bytes = framedReply(answerOf(1));
    await first.write(bytes.subarray(0, bytes.byteLength - 30));
    await begun;
    await second.write(framedReply(answerOf(2)).subarray(0, 100));
    second.session.destroy();
    await third.write(framedReply(answerOf(3)));
    await first.write(bytes.subarray(bytes.byteLength - 30));
    await expectAnswer(stage, 1);
    // The one who left and the one after it, in whichever order the network tells of them.
    const events = [await stage.any(), await stage.any()];
    expect(events.map(({ type }) => type).sort()).to.deep.equal(["left", "replied"]);
    expect(events.find(({ type }) => type === "replied")).to.have.nested.property("reply.numExamples", 3);
  });

  it("hears a call to its end whose client has sent GOAWAY in the middle of a message", async () => {
    stage = await Stage.open();
    const call = await stage.ask();
    const bytes = framedReply(answerOf(7));
    await call.write(bytes.subarray(0, 150));
    call.session.goaway();
    await call.write(bytes.subarray(150));
    await expectAnswer(stage, 7);
    call.stream.end();
    await stage.next("left");
    expect((await call.ended)?.["grpc-status"]).to.equal("0");
  });

  it("answers pings while a message is half in, and reads it to its end", async () => {
    stage = await Stage.open();
    const call = await stage.ask();
    const bytes = framedReply(answerOf(4));
    await call.write(bytes.subarray(0, 60));
    for (let i = 0; i < 20; i++) {
      const answered = await new Promise<boolean>((resolve) => {
        call.session.ping((error) => {
          resolve(error === null);
        });
      });
      expect(answered).to.equal(true);
    }
    await call.write(bytes.subarray(60));
    await expectAnswer(stage, 4);
  });

  it("does not allocate what a header announces and nobody sends", async () => {
    let written = 0;
    stage = await Stage.open({
      openSink: () => ({
        ...memorySink(),
        write: ({ byteLength }) => {
          written += byteLength;
        },
      }),
    });
    const before = process.memoryUsage();
    const call = await stage.ask();
    await call.write(framed(new Uint8Array(), 0, 2 ** 31 - 1));
    call.session.destroy();
    await stage.next("left");
    const after = process.memoryUsage();
    expect(written).to.equal(0);
    expect(after.arrayBuffers - before.arrayBuffers).to.be.below(2 ** 26);
  });
});
