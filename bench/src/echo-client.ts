// An echoing client of ours, for machines whose Python has no gRPC. Argument: HOST:PORT. Says what raw_client.py says.
import { connect } from "@perennial-fl/transport";
import { say } from "./say.js";

/** The monotonic clock, which all processes of the machine share. */
const seconds = (): number => Number(process.hrtime.bigint()) / 1e9;

const connection = await connect({ serverAddress: process.argv[2] ?? "" });
const fits: number[] = [];
for await (const instruction of connection.instructions()) {
  if (instruction.type === "reconnect") break;
  if (instruction.type === "fit") {
    fits.push(seconds());
    await connection.reply({ type: "fit", update: instruction.parameters, numExamples: 10, metrics: {} });
  } else {
    await connection.reply({ type: "evaluate", loss: 0.5, numExamples: 10, metrics: {} });
  }
}
say({ fits, end: seconds() });
await connection.close();
