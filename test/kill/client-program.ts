// A federated client as a process of its own: says what it is doing as lines of JSON.
import { setTimeout as pause } from "node:timers/promises";
import { startClient } from "@perennial-fl/client";
import type { ClientContext } from "@perennial-fl/client";
import { random } from "@perennial-fl/core";
import type { RequestKey } from "@perennial-fl/core";
import { chunksOfSession, rememberingClient } from "./federation.js";
import { obeyParent, say } from "./programs.js";

export interface ClientTask {
  readonly serverAddress: string;
  readonly id: string;
  readonly stateDir: string;
  /** Decides how long it takes to train. */
  readonly seed: string;
}

const { serverAddress, id, stateDir, seed } = obeyParent() as ClientTask;
const client = rememberingClient(id);
const draw = random("pace", seed, id);

function keyOf({ key }: ClientContext): RequestKey {
  if (key === undefined) throw new Error("the server is one of ours and names its questions");
  return key;
}

await startClient({
  serverAddress,
  chunks: chunksOfSession(),
  clientId: id,
  stateDir,
  client: {
    async fit(parameters, _config, context) {
      // A kill lands inside of training now and then.
      await pause(draw.below(8));
      const result = client.fit(parameters, keyOf(context));
      if (typeof result === "string") throw new Error(result);
      say({ type: "trained", round: keyOf(context).round });
      return result;
    },
    evaluate: (parameters, _config, context) => client.evaluate(parameters, keyOf(context)),
    save: () => client.save(),
    load: (state) => {
      client.load(state);
    },
  },
  // Short, so that a kill is not followed by seconds in which nothing happens; and none outlives its server for long.
  backoff: { firstMs: 20, maxMs: 200, giveUpAfterMs: 20_000 },
  observe: say,
});
