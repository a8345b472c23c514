// A disk that is not waited for: what is written reaches the device when the system pleases.
import type { Disk, DiskFile } from "./disk.js";

/** The same disk without a sync. What was written survives the process that wrote it, and not a power loss. */
export function unsyncedDisk(disk: Disk): Disk {
  return {
    ...disk,
    create: async (path) => unsyncedFile(await disk.create(path)),
    open: async (path, access) => unsyncedFile(await disk.open(path, access)),
    syncDirectory: () => Promise.resolve(),
  };
}

function unsyncedFile(file: DiskFile): DiskFile {
  return {
    write: (bytes, position) => file.write(bytes, position),
    read: (target, position) => file.read(target, position),
    stat: () => file.stat(),
    close: () => file.close(),
    sync: () => Promise.resolve(),
  };
}
