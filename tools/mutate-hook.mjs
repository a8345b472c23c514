// A module loader hook that replaces one piece of one compiled file as it is loaded: the piece that stands at `at`, or
// the only one with that text. Nothing on disk changes.
let mutant;

export function initialize(data) {
  mutant = data;
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!mutant || !url.endsWith(mutant.file)) return loaded;
  const source = String(loaded.source);
  if (mutant.at !== undefined) {
    const [head, rest] = [source.slice(0, mutant.at), source.slice(mutant.at)];
    if (!rest.startsWith(mutant.before)) throw new Error(`the mutant's text is not at ${mutant.at} in ${mutant.file}`);
    return { ...loaded, source: head + mutant.after + rest.slice(mutant.before.length) };
  }
  if (source.split(mutant.before).length !== 2) {
    throw new Error(`the mutant's text occurs ${source.split(mutant.before).length - 1} times in ${mutant.file}`);
  }
  return { ...loaded, source: source.replace(mutant.before, () => mutant.after) };
}
