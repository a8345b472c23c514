// What every storage promises, as a suite for mocha's globals: `describeStorage(name, make)` in a test file.
/// <reference types="mocha" />
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ErrorCode } from "@perennial-fl/core";
import { isFederationError } from "@perennial-fl/core";
import type { BlobIdentity, Storage } from "./storage.js";

/** A storage under test, and how it looks to the next process. */
export interface StorageUnderTest {
  readonly storage: Storage;
  /** The same durable contents, through an object that knows nothing of the first one. */
  reopen(): Storage;
}

/** Defines the suite. `make` gives an empty storage; `dispose` ends it. */
export function describeStorage(
  name: string,
  make: () => Promise<StorageUnderTest>,
  dispose: (made: StorageUnderTest) => Promise<void> = () => Promise.resolve(),
): void {
  describe(`storage in ${name}`, () => {
    let made: StorageUnderTest;
    let storage: Storage;
    beforeEach(async () => {
      made = await make();
      storage = made.storage;
      await storage.check();
    });
    afterEach(() => dispose(made));

    describeFiles(() => made);
    describeLog(() => made);
    describeBlobs(() => made);

    it("belongs to one owner at a time", async () => {
      const lock = await storage.lock();
      await refused(() => storage.lock(), "storage/locked");
      await lock.release();
      await (await storage.lock()).release();
    });
  });
}

function describeFiles(made: () => StorageUnderTest): void {
  it("gives back what was put under a name", async () => {
    await made().storage.replace("a.bin", bytes("one"));
    strictEqual(text(await made().reopen().read("a.bin")), "one");
  });

  it("replaces the whole contents, be they shorter", async () => {
    await made().storage.replace("a", bytes("a long text"));
    await made().storage.replace("a", bytes("b"));
    strictEqual(text(await made().storage.read("a")), "b");
    strictEqual(await made().storage.read("a", "previous"), undefined);
  });

  it("keeps the previous contents when told to", async () => {
    for (const each of ["1", "2", "3"]) await made().storage.replace("s", bytes(each), { keepPrevious: true });
    const { storage } = made();
    deepStrictEqual([text(await storage.read("s")), text(await storage.read("s", "previous"))], ["3", "2"]);
    deepStrictEqual(await storage.list(), ["s"]);
  });

  it("has nothing under a name that was never used, or was removed", async () => {
    const { storage } = made();
    strictEqual(await storage.read("none"), undefined);
    await storage.replace("a", bytes("1"), { keepPrevious: true });
    await storage.replace("a", bytes("2"), { keepPrevious: true });
    await storage.remove("a");
    await storage.remove("a");
    strictEqual(await storage.read("a"), undefined);
    strictEqual(await storage.read("a", "previous"), undefined);
  });

  it("sets damaged contents aside, each under a name of its own", async () => {
    const { storage } = made();
    for (const expected of ["a.corrupt-1", "a.corrupt-2"]) {
      await storage.replace("a", bytes("bad"));
      strictEqual(await storage.setAside("a"), expected);
      strictEqual(await storage.read("a"), undefined);
    }
    deepStrictEqual(await storage.list(), ["a.corrupt-1", "a.corrupt-2"]);
  });

  it("refuses names that could lead elsewhere or clash with its own", async () => {
    const names = ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a..b", ".hidden", "a\0", "NUL", "con.txt"];
    names.push("x".repeat(129), "s.previous", "s.corrupt-1", `${"0".repeat(64)}.blob`, "ü", "a b");
    for (const each of names) {
      await refused(() => made().storage.replace(each, bytes("x")), "checkpoint/name");
      await refused(() => made().storage.read(each), "checkpoint/name");
      await refused(() => made().storage.openLog(each), "checkpoint/name");
    }
  });
}

function describeLog(made: () => StorageUnderTest): void {
  const reread = async (): Promise<string[]> => (await made().reopen().openLog("log")).records.map(text);

  it("gives back the records of a log in order", async () => {
    const log = await made().storage.openLog("log");
    await Promise.all(["a", "", "ccc"].map((each, at) => log.append(at, bytes(each))));
    deepStrictEqual(log.records.map(text), ["a", "", "ccc"]);
    await log.close();
    deepStrictEqual(await reread(), ["a", "", "ccc"]);
  });

  it("answers the same record at the same place again, once and for all", async () => {
    const log = await made().storage.openLog("log");
    for (const at of [0, 0, 1, 1, 0]) await log.append(at, bytes(`record ${at}`));
    deepStrictEqual(await reread(), ["record 0", "record 1"]);
  });

  it("refuses another record where one is, and a gap", async () => {
    const log = await made().storage.openLog("log");
    await log.append(0, bytes("a"));
    await refused(() => log.append(0, bytes("b")), "storage/deposed");
    await refused(() => log.append(2, bytes("c")), "storage/deposed");
    await log.append(1, bytes("d"));
    deepStrictEqual(await reread(), ["a", "d"]);
  });

  it("deposes a writer that was paused while another went on", async () => {
    const paused = await made().storage.openLog("log");
    await paused.append(0, bytes("a"));
    const next = await made().reopen().openLog("log");
    await next.append(1, bytes("b"));
    await refused(() => paused.append(1, bytes("c")), "storage/deposed");
    await refused(() => paused.clear(), "storage/deposed");
    await next.append(2, bytes("d"));
    deepStrictEqual(await reread(), ["a", "b", "d"]);
  });

  it("deposes a writer whose log another has cleared and begun anew", async () => {
    const paused = await made().storage.openLog("log");
    await paused.append(0, bytes("a"));
    const next = await made().reopen().openLog("log");
    await next.clear();
    await refused(() => paused.append(1, bytes("b")), "storage/deposed");
    await next.append(0, bytes("z"));
    await refused(() => paused.append(1, bytes("b")), "storage/deposed");
    deepStrictEqual(await reread(), ["z"]);
  });

  it("begins anew after a log was cleared", async () => {
    const log = await made().storage.openLog("log");
    await log.append(0, bytes("a"));
    await log.clear();
    deepStrictEqual(await reread(), []);
    await log.append(0, bytes("b"));
    deepStrictEqual(await reread(), ["b"]);
  });
}

function describeBlobs(made: () => StorageUnderTest): void {
  const store = async (...chunks: string[]): Promise<BlobIdentity> => {
    const writer = made().storage.createBlob();
    for (const chunk of chunks) await writer.write(bytes(chunk));
    return writer.close();
  };
  const write = async (...chunks: string[]): Promise<string> => (await store(...chunks)).name;

  it("gives back any part of a blob, at once", async () => {
    const { name, byteLength } = await store("federated ", "learning");
    const reader = await made().reopen().openBlob(name);
    ok(reader);
    strictEqual(text(reader.read(4, 10)), "rated lear");
    const target = new Uint8Array(8).fill(46);
    reader.readInto(10, target.subarray(1, 7));
    strictEqual(text(target), ".learni.");
    deepStrictEqual([byteLength, reader.byteLength], [18, 18]);
    strictEqual(await reader.sha256(18), sha256("federated learning"));
  });

  it("says when a blob ends before the part asked for", async () => {
    const reader = await made().storage.openBlob(await write("short"));
    let thrown: unknown;
    try {
      reader?.read(3, 5);
    } catch (error) {
      thrown = error;
    }
    ok(isFederationError(thrown, "checkpoint/corrupt"), String(thrown));
  });

  it("has no blob before it is closed, nor after it was aborted or removed", async () => {
    const aborted = made().storage.createBlob();
    await aborted.write(bytes("never"));
    deepStrictEqual(await made().storage.blobs(), []);
    await aborted.abort();
    const name = await write("once");
    deepStrictEqual(await made().storage.blobs(), [name]);
    await made().storage.removeBlobs([name]);
    await made().storage.removeBlobs([name]);
    deepStrictEqual(await made().storage.blobs(), []);
    await made().storage.removeSpares();
    deepStrictEqual(await made().reopen().blobs(), []);
  });

  it("takes nothing more for a blob that was closed or aborted, and keeps what it holds", async () => {
    const writer = made().storage.createBlob();
    await writer.write(bytes("whole"));
    const { name, byteLength } = await writer.close();
    const aborted = made().storage.createBlob();
    await aborted.write(bytes("never"));
    await aborted.abort();
    for (const ended of [writer, aborted]) {
      await refused(() => ended.write(bytes("more")), "storage/io");
      await refused(() => ended.close(), "storage/io");
      await ended.abort();
    }
    deepStrictEqual(await made().storage.blobs(), [name]);
    strictEqual(await (await made().reopen().openBlob(name))?.sha256(byteLength), sha256("whole"));
  });

  it("keeps what a blob holds while others are removed and written", async () => {
    const kept = await store("the first one");
    await made().storage.removeBlobs([await write("the second, which goes")]);
    const third = await store("the third");
    const aborted = made().storage.createBlob();
    await aborted.write(bytes("the fourth, which never was"));
    await aborted.abort();
    for (const [{ name, byteLength }, contents] of [
      [kept, "the first one"],
      [third, "the third"],
    ] as const) {
      strictEqual(await (await made().reopen().openBlob(name))?.sha256(byteLength), sha256(contents));
    }
  });

  it("has blobs of no bytes", async () => {
    strictEqual((await made().storage.openBlob(await write()))?.byteLength, 0);
  });
}

async function refused(run: () => Promise<unknown>, code: ErrorCode): Promise<void> {
  await rejects(run, (error) => {
    ok(isFederationError(error, code), `expected ${code}, not ${String(error)}`);
    return true;
  });
}

function sha256(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array | undefined): string {
  return content === undefined ? "nothing" : new TextDecoder().decode(content);
}
