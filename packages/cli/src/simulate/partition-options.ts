// How `perennial simulate` divides the data: the rule that options name.
import { FederationError } from "@perennial-fl/core";
import type { PartitionRule } from "@perennial-fl/simulation";

export const partitionNames = ["iid", "dirichlet", "label", "size", "key"] as const;

export interface PartitionArguments {
  readonly partition: (typeof partitionNames)[number];
  readonly alpha?: number;
  readonly shards?: number;
  readonly exponent?: number;
  readonly key?: string;
  readonly clients?: number;
}

/** Throws `argument/invalid` for an option of another rule, and for one that is lacking. */
export function ruleOf(given: PartitionArguments): PartitionRule {
  const { partition, alpha = 0.5, shards = 2, exponent = 1, clients } = given;
  const owners = { alpha: "dirichlet", shards: "label", exponent: "size", key: "key" } as const;
  for (const [option, owner] of Object.entries(owners)) {
    const value = given[option as keyof typeof owners];
    if (value === undefined || partition === owner) continue;
    throw invalid(`--${option} ${value} is an option of --partition ${owner}, and the partition is ${partition}`);
  }
  if (partition === "key") {
    if (given.key === undefined)
      throw invalid("--partition key needs --key COLUMN, the column that says whose an example is");
    return { type: "key" };
  }
  if (clients === undefined) throw invalid(`--partition ${partition} needs --clients N`);
  if (partition === "dirichlet") return { type: partition, alpha };
  if (partition === "label") return { type: partition, shards };
  return partition === "size" ? { type: partition, exponent } : { type: partition };
}

function invalid(message: string): FederationError {
  return new FederationError("argument/invalid", message);
}
