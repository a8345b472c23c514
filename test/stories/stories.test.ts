// The rules of a round as stories: what happens, and what the server does about it. The expected lines are indented.
// `npm run stories:accept` writes what the server does now; read the difference before you commit it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { expect } from "chai";
import { engineStory } from "./engine-story.js";

const folder = fileURLToPath(new URL("../../stories/", import.meta.url));
const accept = process.env["STORIES"] === "accept";

describe("the story", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
    const told = readFileSync(join(folder, name), "utf8");
    const [title = "", settings = "", ...lines] = told.trimEnd().split("\n");
    it(title.replace(/^# /, ""), () => {
      const play = engineStory(settings.replace(/^plan: /, ""));
      const happened = lines.filter((line) => line !== "" && !line.startsWith("  "));
      const played = [
        title,
        settings,
        ...happened.flatMap((line) => ["", line, ...play(line).map((said) => `  ${said}`)]),
      ];
      const text = `${played.join("\n")}\n`;
      if (accept) writeFileSync(join(folder, name), text);
      else expect(text).to.equal(told);
    });
  }
});
