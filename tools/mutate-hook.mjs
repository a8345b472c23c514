// A module loader hook that replaces one piece of one compiled file as it is loaded. Nothing on disk changes.
let mutant;

export function initialize(data) {
  mutant = data;
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!mutant || !url.endsWith(mutant.file)) return loaded;
  const source = String(loaded.source);
  if (source.split(mutant.before).length !== 2) {
    throw new Error(`the mutant's text occurs ${source.split(mutant.before).length - 1} times in ${mutant.file}`);
  }
  return { ...loaded, source: source.replace(mutant.before, () => mutant.after) };
}
