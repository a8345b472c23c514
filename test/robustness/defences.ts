// The strategies that are attacked, each told of two attackers where it wants to know.
import { bulyan, fedAvg, fedMedian, fedTrimmedAvg, krum } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";

export const defences: Readonly<Record<string, () => Strategy>> = {
  FedAvg: () => fedAvg(),
  FedMedian: () => fedMedian(),
  FedTrimmedAvg: () => fedTrimmedAvg({ beta: 0.2 }),
  Krum: () => krum({ numMaliciousClients: 2 }),
  MultiKrum: () => krum({ numMaliciousClients: 2, numClientsToKeep: 9 }),
  Bulyan: () => bulyan({ numMaliciousClients: 2 }),
};
