// Both storages under the exported conformance suite, and what a directory promises besides.
import { chmodSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "chai";
import { describeStorage } from "../src/conformance.js";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk, DiskFile } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";
import { lockAddress } from "../src/lock.js";
import { memoryStorage } from "../src/memory-storage.js";
import { rejection, temporariesIn, temporaryDirectory } from "./temporary.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describeStorage("memory", () => {
  const storage = memoryStorage();
  return Promise.resolve({ storage, reopen: () => storage });
});

describeStorage("a directory", () => {
  const directory = temporaryDirectory();
  return Promise.resolve({ storage: directoryStorage(directory), reopen: () => directoryStorage(directory) });
});

describeStorage("a directory with recycled slots", () => {
  const directory = temporaryDirectory();
  return Promise.resolve({
    storage: directoryStorage(directory, { blobs: "recycled-slots" }),
    reopen: () => directoryStorage(directory, { blobs: "recycled-slots" }),
  });
});

describe("a directory's storage", () => {
  it("syncs the contents before their name, and the name before it reports success", async () => {
    const directory = temporaryDirectory();
    const { disk, calls } = tracingDisk();
    const storage = directoryStorage(directory, { disk });
    const whole = ["create", "write", "sync", "close", "rename", "syncDirectory"];
    await storage.replace("a", bytes("1"));
    expect(calls.splice(0)).to.deep.equal(whole);
    await storage.replace("a", bytes("2"), { keepPrevious: true });
    expect(calls.splice(0)).to.deep.equal(["create", "write", "sync", "close", "rename", "rename", "syncDirectory"]);
    const blob = storage.createBlob();
    await blob.write(bytes("3"));
    await blob.close();
    expect(calls.splice(0)).to.deep.equal(whole);
    const log = await storage.openLog("log");
    await log.append(0, bytes("4"));
    expect(calls.splice(0)).to.deep.equal(whole);
    await log.append(1, bytes("5"));
    expect(calls.splice(0)).to.deep.equal(["open", "write", "sync", "close"]);
    await log.clear();
    expect(calls.splice(0)).to.deep.equal(["unlink", "syncDirectory"]);
  });

  it("never goes on with a file whose sync failed: the next append begins a new one", async () => {
    const { disk, calls } = tracingDisk();
    let failing = false;
    const open: Disk["open"] = async (path, access) => {
      const file = await disk.open(path, access);
      return { ...file, sync: () => (failing ? Promise.reject(new Error("EIO")) : file.sync()) };
    };
    const log = await directoryStorage(temporaryDirectory(), { disk: { ...disk, open } }).openLog("log");
    await log.append(0, bytes("1"));
    failing = true;
    await rejection(log.append(1, bytes("2")), "storage/io");
    failing = false;
    calls.length = 0;
    await log.append(1, bytes("another 2"));
    expect(calls).to.deep.equal(["create", "write", "write", "sync", "close", "rename", "syncDirectory"]);
    expect(log.records).to.have.lengthOf(2);
  });

  it("reads a log while the disk is full, and goes on with a new file once there is room", async () => {
    const directory = temporaryDirectory();
    const { disk, calls } = tracingDisk();
    await (await directoryStorage(directory).openLog("log")).append(0, bytes("1"));
    let full = true;
    const create: Disk["create"] = (path) =>
      full ? Promise.reject(Object.assign(new Error("ENOSPC"), { code: "ENOSPC" })) : disk.create(path);
    const log = await directoryStorage(directory, { disk: { ...disk, create } }).openLog("log");
    expect(log.records).to.deep.equal([bytes("1")]);
    full = false;
    calls.length = 0;
    await log.append(1, bytes("2"));
    expect(calls).to.deep.equal(["create", "write", "write", "sync", "close", "rename", "syncDirectory"]);
    const found = await directoryStorage(directory).openLog("log");
    expect(found.records).to.deep.equal([bytes("1"), bytes("2")]);
  });

  it("needs a directory that exists, and creates none", async () => {
    const directory = join(temporaryDirectory(), "none");
    const storage = directoryStorage(directory);
    for (const run of [
      () => storage.check(),
      () => storage.lock(),
      () => storage.replace("a", bytes("1")),
      () => storage.read("a"),
      () => storage.list(),
      () => storage.openLog("log"),
      () => storage.createBlob().close(),
    ]) {
      expect((await rejection(run(), "storage/directory")).message).to.equal(
        `the directory ${directory} does not exist, and is not created`,
      );
    }
  });

  it("needs a directory, not a file", async () => {
    const path = join(temporaryDirectory(), "file");
    writeFileSync(path, "");
    const { message } = await rejection(directoryStorage(path).check(), "storage/directory");
    expect(message).to.contain("is not a directory");
  });

  it("says that a directory cannot be written to", async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o500);
    // Root may write everywhere, so the refusal comes from the disk.
    const refuse = (): Promise<never> => Promise.reject(Object.assign(new Error("EACCES"), { code: "EACCES" }));
    const storage = directoryStorage(directory, { disk: { ...nodeDisk, checkWritable: refuse, create: refuse } });
    for (const run of [() => storage.check(), () => storage.replace("a", bytes("1"))]) {
      expect((await rejection(run(), "storage/directory")).message).to.contain("cannot be written to (EACCES)");
    }
    chmodSync(directory, 0o700);
  });

  it("does not follow a symbolic link out of the directory", async () => {
    const [directory, outside] = [temporaryDirectory(), temporaryDirectory()];
    writeFileSync(join(outside, "secret"), "secret");
    symlinkSync(join(outside, "secret"), join(directory, "link"));
    const storage = directoryStorage(directory);
    expect((await rejection(storage.read("link"), "checkpoint/missing")).message).to.contain("a link or a device");
    await storage.replace("link", bytes("mine"));
    expect(readFileSync(join(outside, "secret"), "utf8")).to.equal("secret");
    expect(readFileSync(join(directory, "link"), "utf8")).to.equal("mine");
  });

  it("removes half-written files when it is locked, or swept for a name", async () => {
    const directory = temporaryDirectory();
    const left = (name: string): void => {
      writeFileSync(join(directory, `.tmp-0123456789abcdef-${name}`), "half");
    };
    const storage = directoryStorage(directory);
    left("a");
    left("b");
    await storage.sweep("a");
    expect(temporariesIn(directory)).to.deep.equal([".tmp-0123456789abcdef-b"]);
    const lock = await storage.lock();
    expect(temporariesIn(directory)).to.be.empty;
    await lock.release();
  });

  it("removes by its name what a save of that name really left, and no other name's", async () => {
    const directory = temporaryDirectory();
    const refuse = (): Promise<never> => Promise.reject(new Error("EIO"));
    const storage = directoryStorage(directory, { disk: { ...nodeDisk, rename: refuse, unlink: refuse } });
    await rejection(storage.replace("a", bytes("1")), "storage/io");
    const [left, ...others] = temporariesIn(directory);
    expect(others).to.be.empty;
    await directoryStorage(directory).sweep("b");
    expect(temporariesIn(directory)).to.deep.equal([left]);
    await directoryStorage(directory).sweep("a");
    expect(temporariesIn(directory)).to.be.empty;
  });

  it("leaves files alone that this process is writing", async () => {
    const directory = temporaryDirectory();
    const storage = directoryStorage(directory);
    const writer = storage.createBlob();
    await writer.write(bytes("half"));
    const lock = await storage.lock();
    expect((await writer.close()).byteLength).to.equal(4);
    await lock.release();
  });

  it("names the process that holds the lock, and is free once that was killed", async () => {
    const directory = temporaryDirectory();
    const program = `
      const { directoryStorage } = await import(${JSON.stringify(new URL("../src/index.js", import.meta.url).href)});
      await directoryStorage(process.argv[1]).lock();
      process.stdout.write("locked");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, directory]);
    await once(child.stdout, "data");
    const { message } = await rejection(directoryStorage(directory).lock(), "storage/locked");
    expect(message).to.equal(`${directory} is in use by process ${String(child.pid)}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await directoryStorage(directory).lock()).release();
  });

  it("takes over a lock file that a dead process left, where the kernel does not remove it", async () => {
    const address = join(temporaryDirectory(), "lock");
    const program = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
    await once(spawn(process.execPath, ["-e", program, address]), "exit");
    expect(readdirSync(join(address, ".."))).to.deep.equal(["lock"]);
    const lock = await lockAddress("there", address);
    await rejection(lockAddress("there", address), "storage/locked");
    await lock.release();
  });

  it("is one directory under all its names", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "real"));
    symlinkSync(join(directory, "real"), join(directory, "alias"));
    const lock = await directoryStorage(join(directory, "real")).lock();
    await rejection(directoryStorage(join(directory, "alias", ".")).lock(), "storage/locked");
    await rejection(directoryStorage(join(directory, "real", ".")).lock(), "storage/locked");
    await lock.release();
  });
});

/** The machine's disk, and the order of the calls that change it. */
function tracingDisk(): { readonly disk: Disk; readonly calls: string[] } {
  const calls: string[] = [];
  const traced = (file: DiskFile): DiskFile => ({
    ...file,
    write: (chunk, position) => (calls.push("write"), file.write(chunk, position)),
    sync: () => (calls.push("sync"), file.sync()),
    close: () => (calls.push("close"), file.close()),
  });
  const disk: Disk = {
    ...nodeDisk,
    create: async (path) => (calls.push("create"), traced(await nodeDisk.create(path))),
    open: async (path, access) => {
      const file = await nodeDisk.open(path, access);
      if (access === "read") return file;
      calls.push("open");
      return traced(file);
    },
    rename: (from, to) => (calls.push("rename"), nodeDisk.rename(from, to)),
    unlink: (path) => (calls.push("unlink"), nodeDisk.unlink(path)),
    syncDirectory: (directory) => (calls.push("syncDirectory"), nodeDisk.syncDirectory(directory)),
  };
  return { disk, calls };
}
