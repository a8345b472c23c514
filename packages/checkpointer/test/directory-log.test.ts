// A log's file that others write to, remove or replace, and a disk that fails in the middle of it.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { directoryStorage } from "../src/directory-storage.js";
import type { Disk } from "../src/disk.js";
import { nodeDisk } from "../src/node-disk.js";
import type { StorageLog } from "../src/storage.js";
import { rejection, temporaryDirectory } from "./temporary.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = ({ records }: StorageLog): string[] => records.map((record) => new TextDecoder().decode(record));

/** A directory whose calls fail once when they are told to: before they are done, or after. */
function place() {
  const directory = temporaryDirectory();
  const path = join(directory, "log");
  let broken: { readonly call: string; readonly done: boolean } | undefined;
  const broke = async <T>(call: string, run: () => Promise<T>): Promise<T> => {
    if (broken?.call !== call) return run();
    const { done } = broken;
    broken = undefined;
    if (done) await run();
    throw Object.assign(new Error("it broke"), { code: "EIO" });
  };
  const disk: Disk = {
    ...nodeDisk,
    create: (at) => broke("create", () => nodeDisk.create(at)),
    async open(at, access) {
      const file = await nodeDisk.open(at, access);
      return { ...file, sync: () => broke("sync", () => file.sync()) };
    },
    unlink: (at) => broke("unlink", () => nodeDisk.unlink(at)),
    rename: (from, to) => broke("rename", () => nodeDisk.rename(from, to)),
    syncDirectory: (at) => broke("names", () => nodeDisk.syncDirectory(at)),
  };
  return {
    path,
    open: () => directoryStorage(directory, { disk }).openLog("log"),
    breaks: (call: "create" | "sync" | "unlink" | "rename" | "names", done: boolean) => (broken = { call, done }),
  };
}

describe("a directory's log", () => {
  it("goes on with a file of its own where an end was torn, whatever is longer", async () => {
    const { path, open } = place();
    await (await open()).append(0, bytes("a record of some length"));
    writeFileSync(path, readFileSync(path).subarray(0, 30));
    const log = await open();
    expect(texts(log)).to.deep.equal([]);
    await log.append(0, bytes("b"));
    const copy = place();
    writeFileSync(copy.path, readFileSync(path));
    expect(texts(await copy.open())).to.deep.equal(["b"]);
    await log.append(1, bytes("c"));
    expect(texts(await open())).to.deep.equal(["b", "c"]);
  });

  for (const call of ["create", "rename", "names"] as const) {
    for (const done of [false, true]) {
      it(`takes its first record again after ${call} ${done ? "was said to have failed" : "failed"}`, async () => {
        const { open, breaks } = place();
        const log = await open();
        breaks(call, done);
        await rejection(log.append(0, bytes("a")), "storage/io");
        await log.append(0, bytes("a"));
        await log.append(1, bytes("b"));
        expect(texts(log)).to.deep.equal(["a", "b"]);
        expect(texts(await open())).to.deep.equal(["a", "b"]);
      });
    }
  }

  it("takes another record instead of one whose sync failed, and is written anew then", async () => {
    const { path, open, breaks } = place();
    const log = await open();
    await log.append(0, bytes("a"));
    const before = await nodeDisk.stat(path);
    breaks("sync", true);
    await rejection(log.append(1, bytes("b, lost")), "storage/io");
    await log.append(1, bytes("c"));
    expect((await nodeDisk.stat(path))?.identity).to.not.equal(before?.identity);
    await log.append(2, bytes("d"));
    expect(texts(await open())).to.deep.equal(["a", "c", "d"]);
  });

  it("is another's after it has gone on with it: in place, in a new file of the same length, or by removing it", async () => {
    const others: Record<string, (at: ReturnType<typeof place>) => Promise<unknown>> = {
      "in place": async ({ path, open }) => {
        // As a process that was paused holds it: without knowing of our record, in the same file.
        const ours = readFileSync(path);
        const other = place();
        const theirs = await other.open();
        await theirs.append(0, bytes("a"));
        await theirs.append(1, bytes("x"));
        writeFileSync(path, readFileSync(other.path));
        expect(readFileSync(path).subarray(0, ours.byteLength)).to.deep.equal(ours);
        expect(texts(await open())).to.deep.equal(["a", "x"]);
      },
      "in a new file": async ({ path }) => {
        const other = place();
        await (await other.open()).append(0, bytes("y"));
        rmSync(path);
        renameSync(other.path, path);
      },
      "by removing it": ({ path }) => nodeDisk.unlink(path),
    };
    for (const [how, goOn] of Object.entries(others)) {
      for (const act of ["append", "clear"] as const) {
        const at = place();
        const log = await at.open();
        await log.append(0, bytes("a"));
        await goOn(at);
        const left = await nodeDisk.stat(at.path);
        const acted = act === "append" ? log.append(1, bytes("b")) : log.clear();
        const failure = await rejection(acted, "storage/deposed");
        expect(failure.message, how).to.include(`another writer has gone on with the log ${at.path} at record`);
        expect(await nodeDisk.stat(at.path), how).to.deep.equal(left);
      }
    }
  });

  it("stays another's, though its file is as it was", async () => {
    const { path, open } = place();
    const log = await open();
    await log.append(0, bytes("a"));
    renameSync(path, `${path}-away`);
    await rejection(log.append(1, bytes("b")), "storage/deposed");
    renameSync(`${path}-away`, path);
    await rejection(log.append(1, bytes("b")), "storage/deposed");
    await rejection(log.clear(), "storage/deposed");
    expect(texts(await open())).to.deep.equal(["a"]);
  });

  it("answers its own record without a write, and takes in what another has added", async () => {
    const { path, open } = place();
    const log = await open();
    await log.append(0, bytes("a"));
    const other = place();
    const theirs = await other.open();
    for (const [at, text] of ["a", "b", "c"].entries()) await theirs.append(at, bytes(text));
    writeFileSync(path, readFileSync(other.path));
    await rejection(log.append(1, bytes("x")), "storage/deposed");
    expect(texts(log)).to.deep.equal(["a", "b", "c"]);
    const before = await nodeDisk.stat(path);
    await log.append(1, bytes("b"));
    await rejection(log.append(3, bytes("d")), "storage/deposed");
    // The last of them is what this one wanted too: then it goes on.
    await log.append(2, bytes("c"));
    expect(await nodeDisk.stat(path)).to.deep.equal(before);
    await log.append(3, bytes("d"));
    expect(texts(await open())).to.deep.equal(["a", "b", "c", "d"]);
  });

  for (const [call, done] of [
    ["unlink", false],
    ["unlink", true],
    ["names", true],
  ] as const) {
    it(`is cleared again after ${call} ${done ? "was said to have failed" : "failed"}, and begins anew`, async () => {
      const { open, breaks } = place();
      const log = await open();
      await log.append(0, bytes("a"));
      breaks(call, done);
      await rejection(log.clear(), "storage/io");
      await log.clear();
      await log.append(0, bytes("b"));
      expect(texts(log)).to.deep.equal(["b"]);
      expect(texts(await open())).to.deep.equal(["b"]);
    });
  }

  it("refuses a gap", async () => {
    const { open } = place();
    const log = await open();
    await log.append(0, bytes("a"));
    await rejection(log.append(2, bytes("c")), "storage/deposed");
    await log.append(1, bytes("b"));
    expect(texts(await open())).to.deep.equal(["a", "b"]);
  });
});
