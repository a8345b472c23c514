// Tests of a client's memory: what was answered is not trained again, and every question starts from its rightful state.
import { expect } from "chai";
import type { Parameters, Reply } from "@perennial-fl/core";
import { AnswerStore, memoryShelf } from "../src/answer-store.js";
import type { Shelf } from "../src/answer-store.js";
import type { Client, ClientEvent, Question } from "../src/index.js";
import { Responder } from "../src/responder.js";
import type { Response } from "../src/responder.js";
import { ask, counter } from "./support/questions.js";

interface Process {
  ask(question: Question, run?: string): Promise<Response>;
  readonly warnings: string[];
}

/** A process over a shelf; the shelf outlives it. */
async function start(client: Client, shelf: Shelf): Promise<Process> {
  const warnings: string[] = [];
  const observe = (event: ClientEvent): void => {
    if (event.type === "warning") warnings.push(event.message);
  };
  const signal = new AbortController().signal;
  const responder = await Responder.open({ client, clientId: "a", store: new AnswerStore(shelf), signal, observe });
  return { ask: (question, run) => responder.respond(question, run), warnings };
}

function sumIn(reply: Reply<Parameters>): unknown {
  if (reply.type === "refused") return reply.message;
  if (reply.type === "evaluate") return reply.loss;
  return reply.type === "properties" ? reply.properties["sum"] : reply.update[0]?.data[0];
}

describe("a client's memory", () => {
  it("answers the same question again from the store, in the same process and in the next", async () => {
    const shelf = memoryShelf();
    const first = await start(counter(), shelf);
    const given = await first.ask(ask("fit", 1, 5));
    expect(given.fromStore).to.equal(false);
    expect(await first.ask(ask("fit", 1, 5))).to.deep.equal({ reply: given.reply, fromStore: true });
    const client = counter();
    const second = await start(client, shelf);
    expect(await second.ask(ask("fit", 1, 5))).to.deep.equal({ reply: given.reply, fromStore: true });
    expect(client.calls).to.deep.equal([]);
  });

  it("answers evaluations from the store as well, next to the fit of their round", async () => {
    const shelf = memoryShelf();
    const first = await start(counter(), shelf);
    await first.ask(ask("fit", 1, 5));
    await first.ask(ask("evaluate", 1, 6));
    const second = await start(counter(), shelf);
    expect((await second.ask(ask("evaluate", 1, 6))).fromStore).to.equal(true);
    expect((await second.ask(ask("fit", 1, 5))).fromStore).to.equal(true);
  });

  it("trains again when the same question comes with other parameters, from the state before it", async () => {
    const process = await start(counter(), memoryShelf());
    await process.ask(ask("fit", 1, 5));
    await process.ask(ask("fit", 2, 10));
    const again = await process.ask(ask("fit", 2, 100));
    expect(again.fromStore).to.equal(false);
    expect(sumIn(again.reply)).to.equal(105);
    expect(process.warnings).to.deep.equal([]);
  });

  it("trains a new attempt at a round from the state before that round", async () => {
    const process = await start(counter(), memoryShelf());
    await process.ask(ask("fit", 1, 5));
    await process.ask(ask("fit", 2, 10, { attempt: 1 }));
    expect(sumIn((await process.ask(ask("evaluate", 2, 10, { attempt: 2 }))).reply)).to.equal(5);
    expect(sumIn((await process.ask(ask("fit", 2, 10, { attempt: 2 }))).reply)).to.equal(15);
    expect(sumIn((await process.ask(ask("fit", 3, 1))).reply)).to.equal(16);
  });

  it("goes on in the new future after the server went back, also over a restart", async () => {
    const shelf = memoryShelf();
    const first = await start(counter(), shelf);
    for (const round of [1, 2]) {
      await first.ask(ask("fit", round, 10));
      await first.ask(ask("evaluate", round, 10));
    }
    await first.ask(ask("fit", 2, 100));
    // The answer of the future that was undone is not this one's.
    expect(sumIn((await first.ask(ask("evaluate", 2, 10))).reply)).to.equal(110);
    const second = await start(counter(), shelf);
    expect(sumIn((await second.ask(ask("fit", 3, 1))).reply)).to.equal(111);
  });

  it("says aloud that a state is no longer kept when the server went back too far", async () => {
    const process = await start(counter(), memoryShelf());
    for (const round of [1, 2, 3]) await process.ask(ask("fit", round, 10));
    const { reply } = await process.ask(ask("fit", 1, 7));
    expect(process.warnings).to.have.length(1);
    expect(process.warnings[0]).to.include("asked for r/1/1/fit after r/2/1/fit was answered");
    expect(sumIn(reply)).to.equal(37);
  });

  const firsts: readonly Question[] = [
    { type: "properties", config: {} },
    { type: "parameters", config: {} },
    ask("evaluate", 2),
    ask("fit", 3, 1),
  ];
  for (const question of firsts) {
    it(`loads the state before a restarted client is asked anything, be it ${question.type}`, async () => {
      const shelf = memoryShelf();
      const before = await start(counter(), shelf);
      await before.ask(ask("fit", 1, 10));
      await before.ask(ask("fit", 2, 20));
      const client = counter();
      const process = await start(client, shelf);
      await process.ask(question, "r");
      expect(client.calls).to.deep.equal(["load 30", question.type]);
      // The fit that follows neither starts from nothing nor has overwritten what was there.
      expect(sumIn((await process.ask(ask("fit", 4, 100))).reply)).to.equal(question.type === "fit" ? 131 : 130);
    });
  }

  it("takes back what a failed training had changed", async () => {
    const client = counter();
    const { fit } = client;
    let failing = false;
    client.fit = async (...question) => {
      const result = await fit(...question);
      if (failing) throw new Error("out of memory");
      return result;
    };
    const process = await start(client, memoryShelf());
    await process.ask(ask("fit", 1, 5));
    failing = true;
    const failed = await process.ask(ask("fit", 2, 10));
    expect(failed.reply).to.deep.equal({ type: "refused", message: "out of memory" });
    failing = false;
    expect(sumIn((await process.ask(ask("fit", 2, 10))).reply)).to.equal(15);
  });

  it("refuses an answer that could not be kept, and then asks the disk what is there", async () => {
    for (const reached of [false, true]) {
      const shelf = memoryShelf();
      let failing = false;
      const failingShelf: Shelf = {
        load: (name) => shelf.load(name),
        async save(name, state) {
          if (!failing || reached) await shelf.save(name, state);
          if (failing) throw new Error("no space left");
        },
      };
      const process = await start(counter(), failingShelf);
      await process.ask(ask("fit", 1, 5));
      failing = true;
      expect((await process.ask(ask("fit", 2, 10))).reply).to.deep.equal({ type: "refused", message: "no space left" });
      failing = false;
      const again = await process.ask(ask("fit", 2, 10));
      expect(again.fromStore).to.equal(reached);
      expect(sumIn(again.reply)).to.equal(15);
    }
  });

  it("begins another run anew and says so, and leaves the last answer of the old one where it is", async () => {
    const shelf = memoryShelf();
    await (await start(counter(), shelf)).ask(ask("fit", 1, 5, { run: "old" }));
    const process = await start(counter(), shelf);
    const other = await process.ask(ask("fit", 1, 5, { run: "new" }));
    expect(other.fromStore).to.equal(false);
    expect(sumIn(other.reply)).to.equal(5);
    expect(process.warnings).to.have.length(1);
    expect(process.warnings[0]).to.include("run old").and.to.include("run new");
  });

  it("leaves another run's state out of a process that has trained for it", async () => {
    const process = await start(counter(), memoryShelf());
    await process.ask(ask("fit", 1, 5, { run: "old" }));
    expect(sumIn((await process.ask(ask("fit", 1, 7, { run: "new" }))).reply)).to.equal(7);
  });

  it("keeps the state of a client whose server gives no keys, and trains every time it is asked", async () => {
    const shelf = memoryShelf();
    const { type, parameters, config } = ask("fit", 1, 5);
    const keyless: Question = { type, parameters, config };
    const first = await start(counter(), shelf);
    await first.ask(keyless);
    await first.ask(keyless);
    expect(sumIn((await (await start(counter(), shelf)).ask(keyless)).reply)).to.equal(15);
  });

  it("does not write again the state of a client that gives the same one after an evaluation", async () => {
    const memory = memoryShelf();
    const written: unknown[] = [];
    const shelf: Shelf = {
      load: (name) => memory.load(name),
      save: (name, state) => {
        written.push(state["state"]);
        return memory.save(name, state);
      },
    };
    const state = { moments: 1 };
    const process = await start({ ...counter(), save: () => state }, shelf);
    await process.ask(ask("fit", 1, 5));
    await process.ask(ask("evaluate", 1, 5));
    expect(written).to.deep.equal([{ saved: state }, { saved: state }, "unchanged"]);
  });
});
