// The machine's own disk.
//
// What the system answers from memory is asked at once: the way to another thread and back takes longer than the answer,
// and a small round consists of such questions. Whatever may wait for the device goes to another thread.
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  lstatSync,
  open,
  openSync,
  read,
  readSync,
  write,
  writeSync,
} from "node:fs";
import { access, readdir, rename, statfs, unlink } from "node:fs/promises";
import { promisify } from "node:util";
import type { Disk, DiskEntry, DiskFile } from "./disk.js";
import { systemCode } from "./disk.js";

/** So many bytes are copied to the system sooner than another thread is told of them. */
const smallBytes = 1 << 14;

/** Node reads and writes less than 2 GiB at once; what is left is asked for again, as after any short one. */
const mostBytes = 2 ** 30;

const opening = promisify(open);
const reading = promisify(read);
const writing = promisify(write);
const syncing = promisify(fsync);
const syncingData = promisify(fdatasync);

export const nodeDisk: Disk = {
  async create(path) {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    return diskFile(await opening(path, O_CREAT | O_EXCL | O_WRONLY | noFollow(O_NOFOLLOW), 0o600));
  },
  open: (path, access) =>
    atOnce(() => {
      const { O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;
      return diskFile(openSync(path, (access === "read" ? O_RDONLY : O_RDWR) | noFollow(O_NOFOLLOW)));
    }),
  readSync(path, target, position) {
    const descriptor = openSync(path, constants.O_RDONLY | noFollow(constants.O_NOFOLLOW));
    try {
      return readSync(descriptor, target, 0, Math.min(target.byteLength, mostBytes), position);
    } finally {
      closeSync(descriptor);
    }
  },
  rename,
  unlink,
  readdir,
  stat: (path) =>
    atOnce(() => {
      try {
        return entryOf(lstatSync(path, { bigint: true }));
      } catch (error) {
        if (systemCode(error) === "ENOENT") return undefined;
        throw error;
      }
    }),
  checkWritable: (directory) => access(directory, constants.W_OK | constants.X_OK),
  async free(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
  async syncDirectory(directory) {
    // Windows has no way to sync a directory; its journal orders a rename after the flush of the file.
    if (process.platform === "win32") return;
    const descriptor = openSync(directory, constants.O_RDONLY);
    try {
      await syncing(descriptor);
    } finally {
      closeSync(descriptor);
    }
  },
};

function diskFile(descriptor: number): DiskFile {
  return {
    write: (bytes, position) =>
      bytes.byteLength <= smallBytes
        ? atOnce(() => writeSync(descriptor, bytes, 0, bytes.byteLength, position))
        : writing(descriptor, bytes, 0, Math.min(bytes.byteLength, mostBytes), position).then(
            ({ bytesWritten }) => bytesWritten,
          ),
    read: async (target, position) =>
      (await reading(descriptor, target, 0, Math.min(target.byteLength, mostBytes), position)).bytesRead,
    sync: () => syncingData(descriptor),
    stat: () => atOnce(() => entryOf(fstatSync(descriptor, { bigint: true }))),

    close: () =>
      atOnce(() => {
        closeSync(descriptor);
      }),
  };
}

/** What is thrown rejects, as it would from another thread. */
function atOnce<T>(ask: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(ask());
  });
}

interface RawStat {
  isFile(): boolean;
  isDirectory(): boolean;
  readonly size: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthtimeNs: bigint;
}

function entryOf(stat: RawStat): DiskEntry {
  return {
    kind: stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other",
    byteLength: Number(stat.size),
    identity: `${stat.dev}:${stat.ino}`,
    born: stat.birthtimeNs,
  };
}

/** Windows does not have the flag. */
function noFollow(flag: number | undefined): number {
  return flag ?? 0;
}
