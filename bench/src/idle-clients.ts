// Clients that connect, join and wait, each over a connection of its own. Arguments: HOST:PORT CLIENTS.
// Says {"connected"} when the server has answered all of them.
import { once } from "node:events";
import { connect } from "node:http2";
import { say } from "./say.js";

const [address = "", clients = ""] = process.argv.slice(2);
/** So many knock at a time. */
const atOnce = 50;

async function join(): Promise<void> {
  const session = connect(`http://${address}`);
  const stream = session.request({
    ":method": "POST",
    ":path": "/flwr.proto.FlowerService/Join",
    "content-type": "application/grpc",
    te: "trailers",
  });
  // Flower's server answers no headers before its first message; that it has the stream shows in that it answers a ping.
  await once(session, "remoteSettings");
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  stream.resume();
}

const count = Number(clients);
for (let done = 0; done < count; done += atOnce) {
  await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, join));
}
say({ connected: count });
