// The code blocks of Markdown pages, and what the compiler says of them.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export interface Snippet {
  readonly page: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The fenced blocks of a page in one of these languages. */
export function snippetsOf(page: string, text: string, languages: readonly string[]): Snippet[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(({ 1: language = "", 2: code = "", index }) => {
    const line = text.slice(0, index).split("\n").length + 1;
    return languages.includes(language) ? [{ page, line, language, code }] : [];
  });
}

/** The same for a page of this repository. */
export function readSnippets(page: string, languages: readonly string[]): Snippet[] {
  return snippetsOf(page, readFileSync(join(root, page), "utf8"), languages);
}

/** The reader's own files, and what inference cannot know in JavaScript: that a list is a pair. */
const beside = /TS2307: Cannot find module '\.\/|\.mjs.*TS2(322|375|379)/;

/**
 * Type-checks every `ts` snippet as strictly as our sources, and every `js` one as far as inference goes, each as a
 * module of its own. Returns the compiler's complaints, with page and line.
 */
export function complaintsAbout(snippets: readonly Snippet[]): string[] {
  // Inside the repository, so that the packages are found.
  const folder = join(root, "test/dist/snippets");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  snippets.forEach(({ line, language, code }, i) => {
    // Blank lines bring the code to the line that it has on its page.
    writeFileSync(join(folder, `${i}.m${language}`), `${"\n".repeat(line - 1)}${code}\nexport {};\n`);
  });
  const complaints = ["ts", "js"].flatMap((language) => {
    if (!snippets.some((snippet) => snippet.language === language)) return [];
    return compile(folder, language);
  });
  rmSync(folder, { recursive: true, force: true });
  return complaints.map((complaint) =>
    complaint.replace(/^(?:.*\/)?(\d+)\.m[jt]s\((\d+),\d+\)/, (_, i: string, line: string) => {
      return `${snippets[Number(i)]?.page ?? "?"}:${line}`;
    }),
  );
}

function compile(folder: string, language: string): string[] {
  const path = join(folder, `tsconfig.${language}.json`);
  const loose = { allowJs: true, checkJs: true, noImplicitAny: false };
  const compilerOptions = {
    noEmit: true,
    types: ["node"],
    noUnusedLocals: false,
    noUnusedParameters: false,
    noPropertyAccessFromIndexSignature: false,
    ...(language === "js" && loose),
  };
  const config = { extends: relative(folder, join(root, "tsconfig.base.json")), compilerOptions };
  writeFileSync(path, JSON.stringify({ ...config, include: [`*.m${language}`] }));
  const compiler = join(root, "node_modules/.bin/tsc");
  const { stdout } = spawnSync(compiler, ["-p", path, "--pretty", "false"], { cwd: folder, encoding: "utf8" });
  return stdout.split("\n").filter((line) => line.includes("error TS") && !beside.test(line));
}
