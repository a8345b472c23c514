// A federated server as a process of its own: says every event as a line of JSON.
import { startServer } from "@perennial-fl/server";
import { chunksOfSession, serverOptions } from "./federation.js";
import { obeyParent, say } from "./programs.js";

export interface ServerTask {
  readonly address: string;
  readonly stateDir: string;
  readonly rounds: number;
}

const { address, stateDir, rounds } = obeyParent() as ServerTask;
// Where small results rest may change from one session to the next.
const heldBytes = process.pid % 2 === 0 ? 0 : 1 << 14;
await startServer({ ...serverOptions(stateDir, rounds), heldBytes, chunks: chunksOfSession(), address, observe: say });
