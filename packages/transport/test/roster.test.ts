// What a fleet tells of timers that were started again before their event was read, and of failures of its own.
import { expect } from "chai";
import { FederationError, memorySink, pour } from "@perennial-fl/core";
import type { FleetEvent } from "@perennial-fl/core";
import { Roster } from "../src/roster.js";
import type { Link } from "../src/seat.js";

describe("a roster", () => {
  it("drops an elapsed event that nobody has read when its timer is started again", async () => {
    const roster = new Roster(() => memorySink());
    roster.wait("round", 0);
    // Node runs timers of one length in the order in which they were set, so the event is there after this one.
    await new Promise((resolve) => setTimeout(resolve, 0));
    roster.wait("round", 0);
    roster.wait("end", 0);
    const told: string[] = [];
    for await (const event of roster.events()) {
      if (event.type === "elapsed") told.push(event.timer);
      if (told.includes("end")) break;
    }
    await roster.close();
    expect(told).to.deep.equal(["round", "end"]);
  });

  const ann: Link = { client: "ann", identified: true, send: () => undefined, end: () => undefined };

  it("ends its events with the failure of its own disk, which is not the client's", async () => {
    const full = new FederationError("storage/io", "writing a result: the disk is full");
    const roster = new Roster(() => {
      throw full;
    });
    const seat = roster.join(ann);
    const told: FleetEvent["type"][] = [];
    let error: unknown;
    try {
      for await (const event of roster.events()) {
        told.push(event.type);
        roster.send("ann", { type: "fit", parameters: [], config: {} });
        void seat.hear(async (openUpdate) => ({
          type: "fit",
          update: await pour([], openUpdate("fit")),
          numExamples: 1,
          metrics: {},
        }));
      }
    } catch (thrown) {
      error = thrown;
    }
    expect(error).to.equal(full);
    expect(told).to.deep.equal(["joined"]);
    await roster.close();
  });

  it("lets a client leave whose connection fails while it is being ended", async () => {
    const roster = new Roster(() => memorySink());
    const broken = (): never => {
      throw new Error("the stream is gone");
    };
    const seat = roster.join({ ...ann, end: broken });
    await seat.hear(() => Promise.resolve({ type: "properties", properties: {} }));
    await roster.close();
    const told: FleetEvent[] = [];
    for await (const event of roster.events()) told.push(event);
    expect(told.map(({ type }) => type)).to.deep.equal(["joined", "unreadable", "left"]);
    const message = "the server failed to serve the client: the stream is gone";
    expect(told.at(-1)).to.deep.equal({ type: "left", client: "ann", message });
  });
});
