// Whole federations in one process: in virtual weather from one seed, or with virtual clients that really train.
export { simulate } from "./simulate.js";
export type { SimulationOptions, SimulationReport } from "./simulate.js";
export { weathers } from "./weather/presets.js";
export type { Weather } from "./weather/presets.js";
export { describeSpell, isHonest } from "./weather/weather.js";
export type { Spell, Unwillingness, Who } from "./weather/weather.js";
export { replayCommand, shrink } from "./shrink.js";
export type { Shrunk } from "./shrink.js";
export { partition } from "./partition/partition.js";
export type { Examples, Part, PartitionOptions, PartitionRule } from "./partition/partition.js";
export { runVirtualFederation } from "./virtual-federation.js";
export type { VirtualFederationOptions, VirtualParticipant } from "./virtual-federation.js";
