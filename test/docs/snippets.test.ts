// Every TypeScript and JavaScript snippet of the pages compiles.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { complaintsAbout, readSnippets, snippetsOf } from "./snippets.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const pagesIn = (folder: string): string[] =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !/node_modules|dist\/|fixtures/.test(path))
    .map((path) => `${folder}/${path}`);

describe("the pages' snippets", () => {
  it("compile, every one", () => {
    const pages = ["README.md", ...["docs", "packages", "examples"].flatMap(pagesIn)];
    const snippets = pages.flatMap((page) => readSnippets(page, ["ts", "js"]));
    expect(snippets).to.have.length.at.least(10);
    expect(complaintsAbout(snippets)).to.deep.equal([]);
  });

  it("would be caught if one were wrong", () => {
    const page = [
      "```ts",
      'import { fedAvg } from "@perennial-fl/strategy";',
      'fedAvg({ fractionFit: "half" });',
      "```",
      "",
      "```js",
      'import { noSuchThing } from "@perennial-fl/core";',
      "```",
    ];
    const complaints = complaintsAbout(snippetsOf("wrong.md", page.join("\n") + "\n", ["ts", "js"]));
    expect(complaints).to.have.length(2);
    expect(complaints[0]).to.match(/^wrong\.md:3.*string/);
    expect(complaints[1]).to.match(/^wrong\.md:7.*noSuchThing/);
  });
});
