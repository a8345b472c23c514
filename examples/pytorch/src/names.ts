// Names of countries, languages and currencies in eight languages, which every Node brings along in its Unicode data.
import { permutation, random, tensor } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";

/** In the order of their numbers. */
export const languages = ["de", "en", "es", "fi", "fr", "it", "nl", "pl"] as const;

/** Letters of a name that are looked at; what follows its end is 0. */
export const nameLength = 24;
/** One more than the largest number of a letter: Unicode up to Latin Extended-A. */
const letterCount = 384;
const unknownLetter = 1;

export interface Name {
  readonly text: string;
  /** Index in {@link languages}. */
  readonly language: number;
}

/** All names that only one of the languages has, in the order of a shuffle that is always the same. */
export function readNames(): readonly Name[] {
  const owners = new Map<string, Set<number>>();
  languages.forEach((locale, language) => {
    for (const text of namesIn(locale)) {
      const owned = owners.get(text) ?? new Set();
      owners.set(text, owned.add(language));
    }
  });
  const names = [...owners].flatMap(([text, [language = 0, ...others]]) =>
    others.length > 0 ? [] : [{ text, language }],
  );
  return Array.from(permutation(names.length, random("names")), (at) => names[at] as Name);
}

/** Names as a trainer takes them: the numbers of their letters, int64 [n, 24], and of their languages. */
export function datasetOf(names: readonly Name[]): Dataset {
  const letters = names.flatMap(({ text }) => Array.from({ length: nameLength }, (_, at) => letterOf(text, at)));
  return {
    inputs: tensor("int64", [names.length, nameLength], BigInt64Array.from(letters, BigInt)),
    targets: tensor(
      "uint8",
      [names.length],
      Uint8Array.from(names, ({ language }) => language),
    ),
  };
}

function letterOf(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return Number.isNaN(code) ? 0 : code < letterCount ? code : unknownLetter;
}

function namesIn(locale: string): string[] {
  const codes = { region: pairs(), language: pairs(), currency: Intl.supportedValuesOf("currency") };
  return Object.entries(codes).flatMap(([type, list]) => {
    const names = new Intl.DisplayNames(locale, { type: type as keyof typeof codes, fallback: "none" });
    return list.flatMap((code) => names.of(code)?.toLocaleLowerCase(locale) ?? []);
  });
}

/** All codes of two letters; most of those that exist stand for a country and a language. */
function pairs(): string[] {
  const alphabet = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return alphabet.flatMap((first) => alphabet.map((second) => first + second));
}
