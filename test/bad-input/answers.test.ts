// Answers that cannot count. A client that is wrong is data: it is named, the round goes on without it.
import { float32, isFederationError, packRecords, scaffoldNames, tensor, unpackRecords } from "@perennial-fl/core";
import type { Failure, Instruction, Parameters, Reply } from "@perennial-fl/core";
import { startServer } from "@perennial-fl/server";
import type { ServerEvent, ServerOptions } from "@perennial-fl/server";
import { fedAvg, scaffold } from "@perennial-fl/strategy";
import { inMemoryFleet } from "@perennial-fl/transport";
import type { ServedConnection } from "@perennial-fl/transport";
import { expect } from "chai";
import { freshDirectory } from "./table.js";

interface Row {
  readonly title: string;
  readonly reply: Reply<Parameters>;
  readonly reason: Failure["reason"];
  readonly message: string;
  /** What the server is started with besides. */
  readonly server?: Partial<ServerOptions>;
}

const model = [float32([2, 3], [0, 0, 0, 0, 0, 0]), float32([2], [0, 0])];
const fit = (...update: Parameters): Reply<Parameters> => ({ type: "fit", update, numExamples: 10, metrics: {} });
const counted = (numExamples: number): Reply<Parameters> => ({ type: "fit", update: model, numExamples, metrics: {} });
const lost = (loss: number): Reply<Parameters> => ({ type: "evaluate", loss, numExamples: 10, metrics: {} });
const whole = float32([2, 3], [1, 2, 3, 4, 5, 6]);

const rows: readonly Row[] = [
  {
    title: "an update with a tensor missing",
    reply: fit(whole),
    reason: "invalid",
    message: "the update has 1 tensors, and the model 2",
  },
  {
    title: "an update with a tensor too many",
    reply: fit(...model, whole),
    reason: "invalid",
    message: "the update has 3 tensors, and the model 2",
  },
  {
    title: "a shape that numpy would broadcast",
    reply: fit(whole, float32([1], [7])),
    reason: "invalid",
    message: "tensor 1 is float32[1], and the model's is float32[2]",
  },
  {
    title: "a transposed tensor",
    reply: fit(float32([3, 2], [1, 2, 3, 4, 5, 6]), float32([2], [0, 0])),
    reason: "invalid",
    message: "tensor 0 is float32[3, 2], and the model's is float32[2, 3]",
  },
  {
    title: "elements of another type",
    reply: fit(whole, tensor("float64", [2], Float64Array.of(1, 2))),
    reason: "invalid",
    message: "tensor 1 is float64[2], and the model's is float32[2]",
  },
  {
    title: "NaN in an update",
    reply: fit(float32([2, 3], [1, 2, 3, 4, NaN, 6]), float32([2], [0, 0])),
    reason: "invalid",
    message: "tensor 0 (float32[2, 3]) is not finite at element 4",
  },
  {
    title: "an infinity in an update",
    reply: fit(whole, float32([2], [-Infinity, 0])),
    reason: "invalid",
    message: "tensor 1 (float32[2]) is not finite at element 0",
  },
  {
    title: "a negative number of examples",
    reply: counted(-999),
    reason: "invalid",
    message: "numExamples is a whole number from 1, not -999",
  },
  {
    title: "an update from no examples at all",
    reply: counted(0),
    reason: "invalid",
    message: "numExamples is a whole number from 1, not 0",
  },
  {
    title: "an update farther from the model than the bound",
    reply: fit(float32([2, 3], [3, 0, 0, 0, 0, 0]), float32([2], [4, 0])),
    reason: "invalid",
    message: "the update's norm is 5, and at most 4.5 counts here",
    server: { maxUpdateNorm: 4.5 },
  },
  {
    title: "more examples than the most",
    reply: counted(1001),
    reason: "invalid",
    message: "numExamples is 1001, and at most 1000 count here",
    server: { maxExamples: { count: 1000, excess: "reject" } },
  },
  {
    title: "more examples than there are numbers for",
    reply: counted(Number.MAX_SAFE_INTEGER),
    reason: "invalid",
    message: "numExamples is 9007199254740991, and at most 1000 count here",
    server: { maxExamples: { count: 1000, excess: "reject" } },
  },
  {
    title: "an update without SCAFFOLD's record",
    reply: fit(...model),
    reason: "invalid",
    message: "the update brings no scaffold.delta",
    server: { strategy: scaffold() },
  },
  {
    title: "an update whose records are not what they say",
    reply: { type: "fit", update: model, numExamples: 1, metrics: { "perennial.records": "scaffold.delta=9" } },
    reason: "invalid",
    message: 'perennial.records "scaffold.delta=9" counts more than the 2 tensors that came',
    server: { strategy: scaffold() },
  },
  {
    title: "an evaluation where a training was asked",
    reply: lost(0.5),
    reason: "unreadable",
    message: "a evaluate answer came to a fit instruction",
  },
  {
    title: "a refusal",
    reply: { type: "refused", message: "the disk is full" },
    reason: "refused",
    message: "the disk is full",
  },
];

const evaluations: readonly Row[] = [
  { title: "a loss that is NaN", reply: lost(NaN), reason: "invalid", message: "the loss is NaN" },
  { title: "an infinite loss", reply: lost(Infinity), reason: "invalid", message: "the loss is Infinity" },
  {
    title: "a loss over a negative number of examples",
    reply: { type: "evaluate", loss: 1, numExamples: -1, metrics: {} },
    reason: "invalid",
    message: "numExamples is a whole number from 1, not -1",
  },
];

/** One round with a right and a wrong client; gives every failure that the server reports. */
async function failuresWith(
  wrong: (instruction: Instruction) => Reply<Parameters> | undefined,
  server: Partial<ServerOptions> = {},
): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  await startServer({
    stateDir: freshDirectory(),
    numRounds: 1,
    strategy: fedAvg(),
    initialModel: model,
    ...server,
    // A client whose connection was ended does not come back here.
    rejoinTimeoutMs: 50,
    observe: (event) => events.push(event),
    openFleet: (openSink, run) => {
      const memory = inMemoryFleet({ openSink, run });
      void answer(memory.connect("right"), right);
      void answer(memory.connect("wrong"), (instruction) => wrong(instruction) ?? right(instruction));
      return memory.fleet;
    },
  });
  return events;
}

async function answer(connection: ServedConnection, reply: (asked: Instruction) => Reply<Parameters>): Promise<void> {
  try {
    for await (const instruction of connection.instructions()) {
      if (instruction.type === "reconnect") break;
      await connection.reply(reply(instruction));
    }
    await connection.close();
  } catch (error) {
    // So ends a client that does not keep to the protocol.
    if (!isFederationError(error, "connection/lost")) throw error;
  }
}

/** Brings the records that it was sent. */
const right = (asked: Instruction): Reply<Parameters> => {
  if (asked.type !== "fit") return lost(0.5);
  const { model: own, records } = unpackRecords(asked.parameters, asked.config);
  const delta = records[scaffoldNames.control];
  const { tensors, entry } = packRecords(own, delta ? { [scaffoldNames.delta]: delta } : {});
  return { type: "fit", update: tensors, numExamples: 10, metrics: entry };
};

describe("bad input: answers", () => {
  for (const [phase, cases] of [
    ["fit", rows],
    ["evaluate", evaluations],
  ] as const) {
    for (const { title, reply, reason, message, server } of cases) {
      it(title, async () => {
        const events = await failuresWith((instruction) => (instruction.type === phase ? reply : undefined), server);
        const failures = events.filter((event) => event.type === "client-failed" && event.phase === phase);
        expect(failures).to.deep.equal([{ type: "client-failed", round: 1, phase, client: "wrong", reason, message }]);
        const [committed] = events.filter((event) => event.type === "round-committed");
        expect(committed).to.include({ outcome: "committed", answered: phase === "fit" ? 1 : 2 });
      });
    }
  }
});
