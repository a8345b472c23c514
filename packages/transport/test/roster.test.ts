// What a fleet tells of timers that were started again before their event was read.
import { expect } from "chai";
import { memorySink } from "@perennial-fl/core";
import { Roster } from "../src/roster.js";

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
});
