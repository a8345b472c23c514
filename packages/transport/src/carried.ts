// Messages as they are after a journey over the wire, without the bytes: the transport in memory says no more and no less.
import { FederationError } from "@perennial-fl/core";
import type { Config, Instruction, Reply, Scalar } from "@perennial-fl/core";

const int64 = { least: -(2n ** 63n), most: 2n ** 64n - 1n };

/** An instruction as its reader sees it. Throws `argument/invalid` for what cannot be sent. */
export function carriedInstruction(instruction: Instruction): Instruction {
  if (instruction.type === "reconnect") return instruction;
  return { ...instruction, config: carriedScalars(instruction.config) };
}

/** A reply as its reader sees it. Throws `argument/invalid` for what cannot be sent. */
export function carriedReply<Update>(reply: Reply<Update>): Reply<Update> {
  switch (reply.type) {
    case "fit":
      return { ...reply, metrics: carriedScalars(reply.metrics) };
    case "evaluate":
      return { ...reply, loss: Math.fround(reply.loss), metrics: carriedScalars(reply.metrics) };
    case "properties":
      return { ...reply, properties: carriedScalars(reply.properties) };
    case "parameters":
    case "refused":
      return reply;
  }
}

function carriedScalars(scalars: Config): Config {
  return Object.fromEntries(Object.entries(scalars).map(([name, scalar]) => [name, carriedScalar(name, scalar)]));
}

function carriedScalar(name: string, scalar: Scalar): Scalar {
  if (typeof scalar === "bigint") {
    if (scalar < int64.least || scalar > int64.most) {
      throw new FederationError("argument/invalid", `${name} is ${scalar}, which no 64-bit integer holds`);
    }
    return Number.isSafeInteger(Number(scalar)) ? Number(scalar) : scalar;
  }
  return typeof scalar === "object" && "float" in scalar ? scalar.float : scalar;
}
