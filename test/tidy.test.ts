// The habits of this repository that a machine can check. Each message says what to do.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports?: unknown;
  readonly files?: readonly string[];
  readonly license?: string;
}

/** Packages by floor: each imports only from lower floors. */
const floors: readonly (readonly string[])[] = [
  ["core"],
  ["module", "transport"],
  ["strategy", "trainer", "checkpointer"],
  ["server", "client"],
  ["simulation", "dashboard"],
  ["cli"],
];
/** `checkpointer` and `trainer` stand on `module`; nothing else on its own floor or a higher one. */
const pure = ["core", "module", "strategy"];

const packages = readdirSync(join(root, "packages"));
const manifest = (name: string): Manifest => JSON.parse(read(`packages/${name}/package.json`)) as Manifest;
const floorOf = (name: string): number => floors.findIndex((floor) => floor.includes(name));

function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes("/dist/") && !path.includes("node_modules") && !path.endsWith(".d.ts"));
}

const everything = ["packages", "examples", "test", "bench"].flatMap(sources);
const generated = (path: string): boolean => path.includes("/generated/");

describe("the repository is tidy:", () => {
  it("every package has a floor, a README, a licence and an exports map", () => {
    for (const name of packages) {
      expect(floorOf(name), `${name}: give it a floor in test/tidy.test.ts`).to.be.at.least(0);
      expect(existsSync(join(root, "packages", name, "README.md")), `packages/${name} has no README.md`).to.equal(true);
      expect(manifest(name).license, name).to.equal("Apache-2.0");
      expect(manifest(name).exports, name).to.be.an("object");
    }
  });

  it("a package imports only from lower floors", () => {
    const wrong: string[] = [];
    for (const name of packages) {
      for (const path of sources(`packages/${name}/src`)) {
        for (const [, imported = ""] of read(path).matchAll(/from "@perennial-fl\/([a-z-]+)/g)) {
          if (floorOf(imported) >= floorOf(name)) wrong.push(`${path} imports ${imported}`);
        }
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it("an imported package is declared, and a declared one is imported", () => {
    const wrong: string[] = [];
    for (const name of packages) {
      const text = sources(`packages/${name}/src`).map(read).join("\n");
      const imported = new Set(
        [...text.matchAll(/(?:from|import|require\.resolve\()\s?"((?:@[\w-]+\/)?[\w-]+)(?:\/[^"]*)?"/g)].map(
          (match) => match[1] as string,
        ),
      );
      const declared = Object.keys(manifest(name).dependencies ?? {});
      for (const dependency of declared)
        if (!imported.has(dependency)) wrong.push(`${name} declares ${dependency} and does not import it`);
      for (const dependency of imported) {
        if (dependency.startsWith("@perennial-fl/") && !declared.includes(dependency))
          wrong.push(`${name} imports ${dependency} undeclared`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it("pure packages touch nothing: no Node module, clock, timer, randomness or console", () => {
    const impure = /from "node:|\b(?:Date\.now|new Date|Math\.random|setTimeout|setInterval|process\.|console\.)/;
    const wrong = pure.flatMap((name) => sources(`packages/${name}/src`).filter((path) => impure.test(read(path))));
    expect([
      ...wrong,
      ...sources("packages/server/src/engine").filter((path) => impure.test(read(path))),
    ]).to.deep.equal([]);
  });

  it("only what the command prints has a date: no decision hangs on a clock that may jump", () => {
    const printing = /^packages\/cli\/src\/(?:.*\/)?(?:view|screen|json-lines|client-command)\.ts$/;
    const wrong = packages
      .flatMap((name) => sources(`packages/${name}/src`))
      .filter(
        (path) => !printing.test(path) && /\bDate\b(?!\w)/.test(read(path).replaceAll(/\/\/.*|^\s*\/?\*.*/gm, "")),
      );
    expect(wrong).to.deep.equal([]);
  });

  it("only the trainer loads onnxruntime", () => {
    const wrong = packages
      .filter((name) => name !== "trainer")
      .flatMap((name) => sources(`packages/${name}/src`).filter((path) => /from "onnxruntime/.test(read(path))));
    expect(wrong).to.deep.equal([]);
  });

  it("every file says in its first line what it is", () => {
    const wrong = everything.filter((path) => !/^(#!|\/\/ |\/\*\* )/.test(read(path)));
    expect(wrong).to.deep.equal([]);
  });

  it("no source is longer than 300 lines, nor a test than 400", () => {
    const limit = (path: string): number => (/\/test\/|^test\//.test(path) ? 400 : 300);
    const wrong = everything
      .filter((path) => !generated(path))
      .map((path) => ({ path, lines: read(path).split("\n").length }))
      .filter(({ path, lines }) => lines > limit(path));
    expect(wrong).to.deep.equal([]);
  });

  it("no name says only that something assists, and nothing is left for later", () => {
    const banned =
      /\b(?:class|interface|function|const|type) \w*(?:Manager|Handler|Helper|Utils?)\b|\b(?:TODO|FIXME|XXX)\b/;
    expect(everything.filter((path) => path !== "test/tidy.test.ts" && banned.test(read(path)))).to.deep.equal([]);
  });

  it("every exported name stands in its package's README", () => {
    const wrong: string[] = [];
    for (const name of packages) {
      const readme = read(`packages/${name}/README.md`);
      for (const exported of exportedNames(`packages/${name}/src/index.ts`)) {
        if (!new RegExp(`\\b${exported}\\b`).test(readme)) wrong.push(`${name}: ${exported}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it("the lock file names no download address, and holds one protobufjs", () => {
    const lock = JSON.parse(read("package-lock.json")) as {
      packages: Record<string, { version?: string; resolved?: string }>;
    };
    const addresses = Object.values(lock.packages).filter(({ resolved }) => resolved?.includes("://"));
    expect(addresses).to.deep.equal([]);
    const copies = Object.keys(lock.packages).filter((path) => path.endsWith("node_modules/protobufjs"));
    expect(copies).to.have.length(1);
  });

  it("dependencies are at or above the versions that closed their known holes", () => {
    const lock = JSON.parse(read("package-lock.json")) as { packages: Record<string, { version?: string }> };
    const newer = (version: string, floor: string): boolean =>
      version.localeCompare(floor, "en", { numeric: true }) >= 0;
    for (const [name, floor] of [
      ["@grpc/grpc-js", "1.14.4"],
      ["protobufjs", "7.6.2"],
      ["onnxruntime-node", "1.30.0"],
    ] as const) {
      const version = lock.packages[`node_modules/${name}`]?.version ?? "0";
      expect(newer(version, floor), `${name} ${version} is older than ${floor}`).to.equal(true);
    }
  });
});

/** Names that an index file exports, following `export *` within the package. */
function exportedNames(path: string): string[] {
  const text = read(path);
  const names = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    list.split(",").map(
      (item) =>
        item
          .trim()
          .replace(/^type /, "")
          .split(" as ")
          .at(-1) as string,
    ),
  );
  const declared = [
    ...text.matchAll(/export (?:abstract )?(?:class|function|const|interface|type|async function) (\w+)/g),
  ].map((match) => match[1] as string);
  const starred = [...text.matchAll(/export \* from "\.\/([^"]+)\.js"/g)].flatMap(([, file]) =>
    exportedNames(join(path, "..", `${String(file)}.ts`)),
  );
  return [...names, ...declared, ...starred].filter((name) => name !== "");
}
