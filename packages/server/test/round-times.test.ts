// Where a round's time went: stretches that follow one another and add up to the round.
import { expect } from "chai";
import { RoundClock } from "../src/round-times.js";

/** A clock that moves when it is told to. */
function clockAt(): { clock: RoundClock; at: (ms: number) => RoundClock } {
  let now = 1000;
  const clock = new RoundClock(() => now);
  return {
    clock,
    at(ms) {
      now = 1000 + ms;
      return clock;
    },
  };
}

describe("the times of a round", () => {
  it("are those of the answer that was accepted last, and of what the server did after it", () => {
    const { at } = clockAt();
    at(0).opened();
    at(70).accepted({ sentMs: 1001, beganMs: 1050, endedMs: 1060 });
    at(100).accepted({ sentMs: 1010, beganMs: 1060, endedMs: 1090 });
    at(103).closed();
    at(120).aggregated();
    at(150).evaluated();
    expect(at(200).committed()).to.deep.equal({
      broadcastMs: 10,
      clientMs: 50,
      uploadMs: 30,
      durableMs: 10,
      waitMs: 3,
      aggregateMs: 17,
      evaluateMs: 30,
      commitMs: 50,
      totalMs: 200,
    });
  });

  it("leave to the client what a transport does not tell, and to waiting a round that nobody answered", () => {
    const { at } = clockAt();
    at(0).opened();
    at(40).accepted(undefined);
    for (const moment of ["closed", "aggregated", "evaluated"] as const) at(40)[moment]();
    expect(at(40).committed()).to.include({ broadcastMs: 0, clientMs: 40, uploadMs: 0, durableMs: 0, totalMs: 40 });
    at(50).opened();
    for (const moment of ["closed", "aggregated", "evaluated"] as const) at(80)[moment]();
    expect(at(80).committed()).to.include({ clientMs: 0, waitMs: 30, totalMs: 30 });
  });

  it("are unknown for a round that was opened before", () => {
    expect(clockAt().clock.committed()).to.equal(undefined);
  });
});
