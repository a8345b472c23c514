// The port through which everything durable is kept: whole files, one append-only log, and blobs.

/** Which of the kept contents of a name. */
export type Generation = "current" | "previous";

/** What a file is to hold: bytes, or pieces that follow one another. They must not change until they are written. */
export type Contents = Uint8Array | readonly Uint8Array[];

/**
 * What identifies a blob. It does not change until it is removed; a name may then be another blob's, so that only name
 * and digest together say which one is meant: the digest here, or one that whoever wrote it has made meanwhile.
 */
export interface BlobIdentity {
  readonly name: string;
  /** 64 hexadecimal digits, where the name is made of them. */
  readonly sha256?: string;
  readonly byteLength: number;
}

/** Takes the bytes of one blob. Exactly one of `close` and `abort` ends it; before `close` there is no blob. */
export interface BlobWriter {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when the bytes and their name are durable. A failed `close` leaves nothing behind. */
  close(): Promise<BlobIdentity>;
  /** Forgets what was written. Harmless after `close` or a failure. */
  abort(): Promise<void>;
}

export interface BlobReader {
  /** How many bytes can be read: those of the blob, and perhaps others after them. */
  readonly byteLength: number;
  /** `byteLength` bytes from `position`, in memory of their own. Throws `checkpoint/corrupt` if the blob ends before. */
  read(position: number, byteLength: number): Uint8Array;
  /** Fills `target` with the bytes from `position`. Throws as `read`. */
  readInto(position: number, target: Uint8Array): void;
  /** The digest of the first `byteLength` bytes as they are now. */
  sha256(byteLength: number): Promise<string>;
}

/** An append-only sequence of records. Appends may be called concurrently; they happen in the order of the calls. */
export interface StorageLog {
  /** Every record that is known to be durable. */
  readonly records: readonly Uint8Array[];
  /**
   * Makes `record` number `at` of the log, durable on return. The same record at the same place again is answered
   * without another write; another record there, or a gap, throws `storage/deposed`: someone else has gone on with
   * this log. After `storage/io` the outcome is unknown, and the same append may be tried again.
   */
  append(at: number, record: Uint8Array): Promise<void>;
  /** Removes the log, durably; the next append begins a new one. Throws `storage/deposed` if another has gone on. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** Holds a storage for one owner; the kernel releases it when the process dies. */
export interface StorageLock {
  release(): Promise<void>;
}

/**
 * Where durable things are kept. Names match `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$` and lead nowhere else, or the call
 * throws `checkpoint/name`. A failing device is `storage/io`; a missing or unwritable directory `storage/directory`.
 */
export interface Storage {
  /** For messages: the directory, or `memory`. */
  readonly location: string;
  /** Throws `storage/directory` if nothing can be kept here. */
  check(): Promise<void>;
  /**
   * Makes this storage one owner's, and removes what a killed owner left half-written. Throws `storage/locked`, with
   * the location and, if known, the process, while another holds it.
   */
  lock(): Promise<StorageLock>;
  /**
   * Replaces the whole contents of `name`, atomically, durable on return. With `keepPrevious` the former contents can
   * still be read as the previous generation. After an error the former contents are there (or, if the error came
   * after the last step but one, perhaps the new ones); the next attempt starts afresh.
   */
  replace(name: string, contents: Contents, options?: { readonly keepPrevious?: boolean }): Promise<void>;
  /** `undefined` if there is no such file. */
  read(name: string, generation?: Generation): Promise<Uint8Array | undefined>;
  /** Renames a damaged file so that no one reads it again; returns its new name, `<file>.corrupt-N`. */
  setAside(name: string, generation?: Generation): Promise<string>;
  /** All names with current contents, in order; logs and files set aside too, blobs not. */
  list(): Promise<readonly string[]>;
  /** Removes both generations of a name. Harmless if there are none. */
  remove(name: string): Promise<void>;
  /** Removes what a killed save of this name left half-written. Not to be called while another process saves it. */
  sweep(name: string): Promise<void>;
  /** Opens a log. A torn last record, never acknowledged, is dropped; any other damage is `checkpoint/corrupt`. */
  openLog(name: string): Promise<StorageLog>;
  createBlob(): BlobWriter;
  /** `undefined` if there is no such blob. */
  openBlob(name: string): Promise<BlobReader | undefined>;
  /** How many bytes of new blobs there is room for, as far as that is known: what is free, and what is recycled. */
  free(): Promise<number | undefined>;
  /**
   * The same place, where blobs and logs are on the device when the system pleases: they survive the process, and not
   * a power loss, after which a log may be damaged and a blob may not be what its name says.
   */
  unsynced(): Storage;
  /** The names of all blobs. */
  blobs(): Promise<readonly string[]>;
  /** What the blobs held may be written over from now on, also where they are still being read. */
  removeBlobs(names: readonly string[]): Promise<void>;
  /** Gives back the space that is kept for later blobs. */
  removeSpares(): Promise<void>;
}
