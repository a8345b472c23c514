// The strategies and bounds that are attacked, each told of two attackers where it wants to know.
import { bulyan, fedAvg, fedMedian, fedTrimmedAvg, krum } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";

export interface Defence {
  readonly strategy: () => Strategy;
  /** As the server's options: a longer update, or one that claims more examples, is rejected. */
  readonly bounds?: { readonly maxUpdateNorm: number; readonly maxExamples: number };
}

export const defences: Readonly<Record<string, Defence>> = {
  FedAvg: { strategy: () => fedAvg() },
  "FedAvg, bounded": { strategy: () => fedAvg(), bounds: { maxUpdateNorm: 2, maxExamples: 1000 } },
  FedMedian: { strategy: () => fedMedian() },
  FedTrimmedAvg: { strategy: () => fedTrimmedAvg({ beta: 0.2 }) },
  Krum: { strategy: () => krum({ numMaliciousClients: 2 }) },
  MultiKrum: { strategy: () => krum({ numMaliciousClients: 2, numClientsToKeep: 9 }) },
  Bulyan: { strategy: () => bulyan({ numMaliciousClients: 2 }) },
};
