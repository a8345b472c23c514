// Everything durable: module checkpointers, the per-round state, the round journal, and the storage beneath them.
export type { BlobReference, HeldReference, ResultReference, SavedSpan } from "./blob-reference.js";
export { isHeld, lengthOf, openResult } from "./blob-reference.js";
export type { DirectoryStorageOptions } from "./directory-storage.js";
export { directoryStorage } from "./directory-storage.js";
export type { Disk, DiskEntry, DiskFile } from "./disk.js";
export { nodeDisk } from "./node-disk.js";
export * from "./inspect.js";
export type { JournalEntry, JournalOptions, RoundJournal } from "./journal.js";
export { journalName, openRoundJournal } from "./journal.js";
export { memoryStorage } from "./memory-storage.js";
export type { ModuleCheckpointerOptions } from "./module-checkpointer.js";
export { RetainingTorchModuleCheckpointer } from "./retaining-checkpointer.js";
export { TorchModuleCheckpointer } from "./module-checkpointer.js";
export type { ModuleFile, ModuleFormat, ModuleRecord, ModuleScore } from "./module-file.js";
export { decodeModule, encodeModule } from "./module-file.js";
export { parametersSha256, parametersSha256InTurns } from "./parameters.js";
export { problemOf, referencesIn } from "./results.js";
export type { PerRoundStateCheckpointerOptions } from "./per-round-state-checkpointer.js";
export { PerRoundStateCheckpointer } from "./per-round-state-checkpointer.js";
export type { Report } from "./report.js";
export type { KeptRound, Retention } from "./retention.js";
export { checkRetention, retained } from "./retention.js";
export type { CheckpointScoreFunction } from "./score-checkpointers.js";
export {
  BestLossTorchModuleCheckpointer,
  FunctionTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
} from "./score-checkpointers.js";
export type { StateFile } from "./state-file.js";
export { decodeState, encodeState } from "./state-file.js";
export { jsonOfSaved, savedOfJson } from "./state-values.js";
export { readSafetensors } from "./safetensors.js";
export type { FileTensor, SafetensorsFile, SealedFile } from "./safetensors.js";
export { joined } from "./joined.js";
export * from "./storage.js";
