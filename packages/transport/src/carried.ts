// Messages as they are after a journey over the wire: the transport in memory says no more and no less than the network's.
import { FederationError } from "@perennial-fl/core";
import type { Config, Instruction, Reply } from "@perennial-fl/core";
import { fieldsOf } from "./wire/protobuf-reader.js";
import { join } from "./wire/protobuf-writer.js";
import { withKey } from "./wire/request-key.js";
import { ScalarsReader, encodeScalars } from "./wire/scalars.js";

/** An instruction as its reader sees it. Throws `argument/invalid` for what cannot be sent. */
export function carriedInstruction(instruction: Instruction): Instruction {
  if (instruction.type === "reconnect") return instruction;
  return { ...instruction, config: carriedScalars(withKey(instruction.config, undefined)) };
}

/** A reply as its reader sees it. Throws `argument/invalid` for what cannot be sent. */
export function carriedReply<Update>(reply: Reply<Update>): Reply<Update> {
  switch (reply.type) {
    case "fit":
      return { ...reply, numExamples: carriedCount(reply.numExamples), metrics: carriedScalars(reply.metrics) };
    case "evaluate": {
      const { numExamples, metrics } = reply;
      // A loss has 32 bits on the wire.
      const loss = Math.fround(reply.loss);
      return { ...reply, loss, numExamples: carriedCount(numExamples), metrics: carriedScalars(metrics) };
    }
    case "properties":
      return { ...reply, properties: carriedScalars(reply.properties) };
    case "parameters":
    case "refused":
      return reply;
  }
}

/** A number of examples, if it is one that travels. */
export function carriedCount(numExamples: number): number {
  if (Number.isSafeInteger(numExamples)) return numExamples;
  throw new FederationError("argument/invalid", `a number of examples is a whole number, not ${numExamples}`);
}

/** They are small, so they do make the journey. */
function carriedScalars(scalars: Config): Config {
  const reader = new ScalarsReader("scalars");
  for (const field of fieldsOf(join(encodeScalars(1, scalars)), "scalars")) reader.read(field);
  return reader.scalars;
}
