// Echoing clients of ours, for machines whose Python has no gRPC. Arguments: HOST:PORT [CLIENTS [ROOT_CERTIFICATE]].
// Says what raw_client.py says.
import { readFileSync } from "node:fs";
import { connect } from "@perennial-fl/transport";
import { say } from "./say.js";

/** The monotonic clock, which all processes of the machine share. */
const seconds = (): number => Number(process.hrtime.bigint()) / 1e9;

const [serverAddress = "", count = "1", root] = process.argv.slice(2);
const fits: number[] = [];

async function echo(): Promise<void> {
  const connection = await connect({ serverAddress, ...(root && { tls: { rootCertificates: readFileSync(root) } }) });
  let round = 0;
  for await (const instruction of connection.instructions()) {
    if (instruction.type === "reconnect") break;
    if (instruction.type === "fit") {
      fits[round] ??= seconds();
      round++;
      await connection.reply({ type: "fit", update: instruction.parameters, numExamples: 10, metrics: {} });
    } else {
      await connection.reply({ type: "evaluate", loss: 0.5, numExamples: 10, metrics: {} });
    }
  }
  await connection.close();
}

await Promise.all(Array.from({ length: Number(count) }, echo));
say({ fits, end: seconds() });
