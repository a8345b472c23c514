// The streaming server reads every way of cutting a message, and stands whatever a stranger sends.
import { expect } from "chai";
import { connect as connectSocket } from "node:net";
import { constants } from "node:http2";
import { float32, memorySink, random, sameTensor, tensor } from "@perennial-fl/core";
import type { Parameters, Reply } from "@perennial-fl/core";
import { encodeReply } from "../src/wire/client-message.js";
import { bytesField, join, textField, varintField } from "../src/wire/protobuf-writer.js";
import { encodeParameters } from "../src/wire/parameters.js";
import { recording } from "./recording-sinks.js";
import { Stage, framed, framedReply } from "./raw-client.js";
import type { RawCall } from "./raw-client.js";

const update: Parameters = [
  tensor("int8", [3], Int8Array.of(1, 2, 3)),
  tensor("float64", [2], Float64Array.of(1.5, -2.5)),
  float32([2, 2], [1, 2, 3, 4]),
];
const reply: Reply<Parameters> = { type: "fit", update, numExamples: 300, metrics: { a: 0.5, b: "text" } };

describe("the streaming server, with raw clients", () => {
  let stage: Stage;
  afterEach(() => stage.close());

  async function expectReply(): Promise<void> {
    const { reply: heard } = await stage.next("replied");
    if (heard.type !== "fit") expect.fail(`a ${heard.type} reply`);
    expect({ numExamples: heard.numExamples, metrics: { ...heard.metrics } }).to.deep.equal({
      numExamples: 300,
      metrics: { a: 0.5, b: "text" },
    });
    expect(heard.update.tensors).to.have.length(update.length);
    for (const [i, expected] of update.entries()) expect(sameTensor(heard.update.read(i), expected)).to.equal(true);
  }

  it("reads a message that is cut in two at any byte", async () => {
    stage = await Stage.open();
    const joined = await stage.join();
    const bytes = framedReply(reply);
    for (let cut = 1; cut < bytes.byteLength; cut++) {
      const call = await stage.ask(joined);
      await call.write(bytes.subarray(0, cut));
      await call.write(bytes.subarray(cut));
      await expectReply();
    }
  });

  it("reads a message that comes byte by byte, and two in one frame", async () => {
    stage = await Stage.open();
    const call = await stage.ask();
    const bytes = framedReply(reply);
    for (let at = 0; at < bytes.byteLength; at++) await call.write(bytes.subarray(at, at + 1));
    await expectReply();
    const other = await stage.ask();
    await other.write(Buffer.concat([bytes, framed(Buffer.from("0a020801", "hex"))]));
    await expectReply();
    expect((await stage.next("left")).message).to.match(/RECONNECT/);
  });

  it("reads fields in any order and in parts, and passes over unknown ones of any size", async () => {
    stage = await Stage.open();
    const call = await stage.ask();
    const metrics = encodeReply({ ...reply, update: [], numExamples: 0 }, "fit");
    const unknown = bytesField(99, [new Uint8Array(200_000)]);
    const fields = [
      ...unknown,
      ...bytesField(2, encodeParameters(update.slice(0, 1))),
      ...varintField(3, 300n),
      ...bytesField(2, [...encodeParameters(update.slice(1)), ...unknown]),
      // What the encoder wrote, without the tag and length of its ClientMessage: status, no tensors, metrics.
      metrics.subarray(2),
    ];
    await call.write(framed(join([...unknown, ...bytesField(4, fields), ...varintField(77, 5n)])));
    await expectReply();
  });

  it("keeps nothing of an update that comes with a refusal, before or after it", async () => {
    const { openSink, ends } = recording();
    stage = await Stage.open({ openSink });
    const joined = await stage.join();
    const status = bytesField(1, [...varintField(1, 3n), ...textField(2, "no")]);
    const tensors = bytesField(2, encodeParameters(update));
    for (const fields of [
      [...status, ...tensors],
      [...tensors, ...status],
    ]) {
      const call = await stage.ask(joined);
      await call.write(framed(join(bytesField(4, fields))));
      expect((await stage.next("replied")).reply).to.deep.equal({ type: "refused", message: "no" });
    }
    expect(ends).to.deep.equal(["aborted"]);
  });

  it("says of rubbish what is wrong with it, keeps nothing of it, and hears the client's next answer", async () => {
    const { openSink, ends } = recording();
    stage = await Stage.open({ openSink, limits: { scalarsBytes: 4096 } });
    const joined = await stage.join();
    const file = Buffer.concat(encodeParameters([float32([4], [1, 2, 3, 4])])).subarray(3, -15);
    const tensors = (...files: Uint8Array[]): Uint8Array =>
      join(
        bytesField(
          4,
          bytesField(
            2,
            files.flatMap((one) => bytesField(1, [one])),
          ),
        ),
      );
    const cases: readonly (readonly [Uint8Array, RegExp])[] = [
      [Buffer.from(""), /ClientMessage holds no answer/],
      [Buffer.from("22ffffffff0f", "hex"), /ClientMessage ends 4294967295 bytes too early/],
      [Buffer.from("22ffffffffffffffffffffff01", "hex"), /more than 10 bytes/],
      [Buffer.from("220412050000", "hex"), /fit_res ends 3 bytes too early/],
      [Buffer.from("22002200", "hex"), /more than one answer/],
      [Buffer.from("07", "hex"), /tag 7/],
      [tensors(file.subarray(0, 5)), /tensors\[0\] is not an \.npy file/],
      [tensors(file.subarray(0, 40)), /tensors\[0\] ends within its \.npy header/],
      [tensors(file, file.subarray(0, -1)), /tensors\[1\] has 15 bytes of elements, and float32\[4\] has 16/],
      [tensors(file), /tensor_type ""/],
      [join(bytesField(4, bytesField(4, [new Uint8Array(5000)]))), /more than 4096 bytes besides its tensors/],
    ];
    for (const [message, problem] of cases) {
      const call = await stage.ask(joined);
      await call.write(framed(message));
      expect((await stage.next("unreadable")).message).to.match(problem);
    }
    expect(ends.filter((end) => end === "closed")).to.deep.equal([]);
    const call = await stage.ask(joined);
    await call.write(framedReply(reply));
    await expectReply();
  });

  it("passes over the rest of an update that could not be stored, and hears the client's next answer", async () => {
    let writes = 0;
    const full = { ...memorySink(), write: () => Promise.reject(new Error(`disk full at write ${++writes}`)) };
    const { openSink, ends } = recording(() => (writes > 0 ? memorySink() : full));
    stage = await Stage.open({ openSink, limits: { stageBytes: 4096 } });
    const joined = await stage.join();
    const call = await stage.ask(joined);
    await call.write(framedReply({ ...reply, update: [float32([100_000], new Float32Array(100_000))] }));
    expect((await stage.next("unreadable")).message).to.equal("disk full at write 1");
    await (await stage.ask(joined)).write(framedReply(reply));
    await expectReply();
    expect(ends).to.deep.equal(["aborted", "closed"]);
  });

  for (const [how, lose, status] of [
    [
      "resets its stream",
      (call) => {
        call.stream.close(constants.NGHTTP2_CANCEL);
      },
      undefined,
    ],
    [
      "loses its socket",
      (call) => {
        call.session.destroy();
      },
      undefined,
    ],
    ["ends its stream", (call) => call.stream.end(), "13"],
  ] satisfies [string, (call: RawCall) => unknown, string | undefined][]) {
    it(`forgets an upload whose client ${how} in the middle of it, and gives its place to the next`, async () => {
      let opened: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => (opened = resolve));
      const { openSink, ends } = recording(() => {
        opened();
        return memorySink();
      });
      stage = await Stage.open({ openSink, limits: { uploads: 1, smallMessageBytes: 1 } });
      const call = await stage.ask();
      const bytes = framedReply(reply);
      await call.write(bytes.subarray(0, bytes.byteLength - 60));
      await begun;
      lose(call);
      // Not `unreadable`: no answer came, and a client that comes back may be asked again.
      await stage.next("left");
      expect(ends).to.deep.equal(["aborted"]);
      expect((await call.ended)?.["grpc-status"]).to.equal(status);
      await (await stage.ask()).write(bytes);
      await expectReply();
    });
  }

  it("refuses a message at its header when that says too much, and flags that it does not know", async () => {
    const { openSink, ends } = recording();
    stage = await Stage.open({ openSink, maxMessageBytes: 1000 });
    for (const [header, status, words] of [
      [framed(new Uint8Array(), 0, 1001), "8", /1001.*at most 1000/],
      [framed(new Uint8Array(), 1, 10), "13", /without a grpc-encoding/],
      [framed(new Uint8Array(), 7, 10), "13", /flag 7/],
    ] as const) {
      const call = await stage.ask();
      await call.write(header);
      const trailers = await call.ended;
      expect(trailers?.["grpc-status"]).to.equal(status);
      expect(decodeURIComponent(String(trailers?.["grpc-message"]))).to.match(words);
      await stage.next("left");
    }
    expect(ends).to.deep.equal([]);
  });

  it("refuses calls that are none of its own with nothing but headers", async () => {
    stage = await Stage.open();
    for (const [headers, status] of [
      [{ ":path": "/flwr.proto.FlowerService/Other" }, { "grpc-status": "12" }],
      [{ "grpc-encoding": "gzip" }, { "grpc-status": "12", "grpc-accept-encoding": "identity" }],
      [{ "grpc-timeout": "soon" }, { "grpc-status": "13" }],
      [{ "perennial-client": "../x", "perennial-protocol": "1" }, { "grpc-status": "3" }],
      [{ "perennial-client": "x", "perennial-protocol": "2" }, { "grpc-status": "9" }],
      [{ "content-type": "application/json" }, { ":status": 415 }],
      [{ ":method": "GET" }, { ":status": 405 }],
    ] as const) {
      expect(await stage.call(headers).ended, JSON.stringify(headers)).to.include(status);
    }
  });

  it("ends the connection of a client that says something unasked, and reads none of it", async () => {
    const { openSink, ends } = recording();
    stage = await Stage.open({ openSink });
    const { call } = await stage.join();
    await call.write(
      framedReply({ ...reply, update: [float32([100_000], new Float32Array(100_000))] }).subarray(0, 9000),
    );
    expect((await stage.next("unreadable")).message).to.match(/nothing had asked/);
    await stage.next("left");
    expect((await call.ended)?.["grpc-status"]).to.equal("3");
    expect(ends).to.deep.equal([]);
  });

  it("goes on serving whatever random bytes come over its calls and its sockets", async () => {
    stage = await Stage.open();
    const draw = random("rubbish");
    const rubbish = (): Buffer => Buffer.from(Array.from({ length: 1 + draw.below(400) }, () => draw.below(256)));
    for (let i = 0; i < 60; i++) {
      const socket = connectSocket(Number(stage.fleet.address.split(":")[1]), "127.0.0.1");
      const gone = new Promise((resolve) =>
        socket
          .on("close", resolve)
          .on("error", () => undefined)
          .resume(),
      );
      socket.end(i % 2 === 0 ? rubbish() : Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), rubbish()]));
      await gone;
      const { call } = await stage.join();
      call.stream.end(i % 2 === 0 ? rubbish() : framed(rubbish()));
      if (i % 2 === 1) await stage.next("unreadable");
      await stage.next("left");
    }
    await (await stage.ask()).write(framedReply(reply));
    await expectReply();
  });
});
