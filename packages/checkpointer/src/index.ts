// Everything durable: module checkpointers, the per-round state, the round journal, and the storage beneath them.
export type { Disk, DiskEntry, DiskFile } from "./disk.js";
export { nodeDisk } from "./disk.js";
export type { BlobReference, JournalEntry, RoundJournal } from "./journal.js";
export type {
  BlobIdentity,
  BlobReader,
  BlobWriter,
  Generation,
  Storage,
  StorageLock,
  StorageLog,
} from "./storage.js";
