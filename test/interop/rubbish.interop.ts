// Clients that send rubbish, and visitors that are none: each is a failure that says why, and the others' round goes on.
import { expect } from "chai";
import { startClient } from "@perennial-fl/client";
import { fedAvg } from "@perennial-fl/strategy";
import type { ServerEvent } from "@perennial-fl/server";
import { adding, serve, start, values } from "./federation.js";
import { describeWithPeers } from "./peers.js";

/** What the server says of each client of `peers/rubbish.py`, by its row there. */
const answersOver = (transport: "streaming" | "grpc"): Readonly<Record<string, string>> => ({
  "an evaluation for a fit": "fit unreadable: a evaluate answer came to a fit instruction",
  "properties for a fit": "fit unreadable: a properties answer came to a fit instruction",
  "a goodbye for a fit": "fit departed: the client left and did not come back",
  nothing: "fit unreadable: ClientMessage holds no answer",
  "random bytes": "fit unreadable: ClientMessage has a field with the tag 10612924806",
  "an unknown answer": "fit unreadable: ClientMessage holds no answer",
  "a refusal": "fit refused: I do not fit",
  "noise as tensors": "fit unreadable: fit_res.parameters.tensors[0] is not an .npy file: it begins with f5b165224a58",
  "a pickle":
    "fit unreadable: fit_res.parameters.tensors[1] is an array of Python objects (pickled), which are never read",
  "another encoding":
    'fit unreadable: fit_res.parameters has the tensor_type "torch.pickle"; only numpy.ndarray is read',
  "a field beyond the message": "fit unreadable: fit_res ends 1099511627776 bytes too early",
  "a shape beyond memory":
    "fit unreadable: fit_res.parameters.tensors[1] has 12 bytes of elements, and float32[1099511627776] has 4398046511104",
  "a truncated array": "fit unreadable: fit_res.parameters.tensors[1] has 7 bytes of elements, and float32[3] has 12",
  "a truncated header": "fit unreadable: fit_res.parameters.tensors[1] ends within its .npy header",
  "a tensor too few": "fit invalid: the update has 1 tensors, and the model 2",
  "a tensor too many": "fit invalid: the update has 3 tensors, and the model 2",
  "another shape": "fit invalid: tensor 1 is float32[1, 3], and the model's is float32[3]",
  "another type": "fit invalid: tensor 1 is float64[3], and the model's is float32[3]",
  "a NaN": "fit invalid: tensor 1 (float32[3]) is not finite at element 1",
  "an infinity": "fit invalid: tensor 0 (float32[2, 2]) is not finite at element 3",
  "negative examples": "fit invalid: numExamples is a whole number from 1, not -10",
  "no examples": "fit invalid: numExamples is a whole number from 1, not 0",
  "a message of 4 GiB, it says": "fit departed: the client left and did not come back",
  "half a message and the end":
    transport === "streaming"
      ? "fit unreadable: ClientMessage ends 68 bytes too early"
      : "fit departed: the client left and did not come back",
  "half a message and no more": "fit departed: the client left and did not come back",
  "a loss that is NaN": "evaluate invalid: the loss is NaN",
  "an update for an evaluation": "evaluate unreadable: a fit answer came to a evaluate instruction",
});

const failures = (events: readonly ServerEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === "client-failed" ? [`${event.phase} ${event.reason}: ${event.message}`] : [],
  );

for (const transport of ["streaming", "grpc"] as const) {
  describeWithPeers(`rubbish at our server, over the ${transport} transport:`, "python", (peers) => {
    it("each client that answers with it fails with its reason, and the others' round counts", async () => {
      const answers = Object.values(answersOver(transport));
      // Those train well before their evaluation.
      const good = answers.filter((what) => what.startsWith("evaluate")).length;
      const all = answers.length + 2;
      const { address, outcome, events } = await serve({
        transport,
        numRounds: 1,
        strategy: fedAvg({ minAvailableClients: all }),
        initialModel: start,
      });
      const rubbish = peers.start("rubbish.py", address, "answers");
      const ours = [3, 5].map((amount) =>
        startClient({ serverAddress: address, client: adding(amount, 10), clientId: `ours-${amount}` }),
      );
      const { history, parameters } = await outcome;
      await Promise.all(ours);
      await rubbish.exited;
      expect(rubbish.said, rubbish.errors()).to.deep.equal([{ visitors: 5, clients: all - 2 }]);
      expect(failures(events).sort()).to.deep.equal([...answers].sort());
      expect(history[0]?.fit.answered).to.have.length(2 + good);
      // Ours added 3 and 5, and those that trained well ended with ones.
      expect(values(parameters)[1]).to.deep.equal(new Array(3).fill((3 + 5 + good) / (2 + good)));
    });

    it("a client whose frames are noise is out by the deadline at the latest, and the others' round counts", async () => {
      const { address, outcome, events } = await serve({
        transport,
        numRounds: 1,
        strategy: fedAvg({ minAvailableClients: 4, fractionEvaluate: 0 }),
        initialModel: start,
        // Node 20 does not say that it gave up a connection for its frames; Node 22 and later do.
        roundTimeoutMs: 2000,
        drainTimeoutMs: 500,
      });
      const rubbish = peers.start("rubbish.py", address, "frames");
      const ours = [3, 5].map((amount) =>
        startClient({ serverAddress: address, client: adding(amount, 10), clientId: `ours-${amount}` }),
      );
      const { parameters } = await outcome;
      await Promise.all(ours);
      await rubbish.exited;
      const said = failures(events).map((what) => what.split(":")[0]);
      expect(said, rubbish.errors()).to.have.length(2);
      for (const what of said) expect(what).to.be.oneOf(["fit departed", "fit timeout"]);
      expect(values(parameters)[1]).to.deep.equal([4, 4, 4]);
    });
  });
}
