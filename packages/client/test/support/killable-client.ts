// A client process to be killed: answers round 1, then says `training` in round 2 and never comes out of it.
import { startClient } from "../../src/index.js";
import { ask, counter } from "./questions.js";
import { scriptedServer } from "./scripted-server.js";

const [stateDir] = process.argv.slice(2);
if (stateDir === undefined) throw new Error("usage: killable-client STATE_DIR");
const client = counter();
const { fit } = client;
client.fit = async (parameters, config, context) => {
  const result = await fit(parameters, config, context);
  if (context.key?.round !== 2) return result;
  process.stdout.write("training\n");
  // Lives until it is killed.
  setInterval(() => undefined, 1000);
  return new Promise(() => undefined);
};
const { connect } = scriptedServer([{ asks: [ask("fit", 1, 5), ask("fit", 2, 10)], run: "r", then: "stays silent" }]);
await startClient({ client, clientId: "a", stateDir, connect });
