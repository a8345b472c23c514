// docs/onnx-coverage.md: what became of every one-operator model, in one table and one list.
import type { Judged, Verdict } from "./judge.js";

type Kind = Verdict["type"] | "float64" | "float32";

/** The page; the same findings give the same text. */
export function coveragePage(stored: number, judged: readonly Judged[], optimizers: readonly string[]): string {
  const reached = judged.filter(({ verdict }) => verdict.type === "gradient" || verdict.type === "forward");
  const known = new Set(reached.map(({ operator }) => operator));
  const rows = [...known].sort().map((operator) => {
    const own = judged.filter((entry) => entry.operator === operator);
    const count = (kind: Kind): number => own.filter(({ verdict }) => kindOf(verdict) === kind).length;
    const counts = [own.length, count("float64"), count("float32"), count("forward"), count("refused")];
    return `| ${operator} | ${counts.map((n) => (n === 0 ? "" : String(n))).join(" | ")} |`;
  });
  const total = (kind: Kind): number => judged.filter(({ verdict }) => kindOf(verdict) === kind).length;
  const reasons = new Map<string, string[]>();
  for (const { model, operator, verdict } of judged) {
    if (verdict.type !== "refused" || !known.has(operator)) continue;
    const reason = `${operator}: ${plain(verdict.why)}`;
    reasons.set(reason, [...(reasons.get(reason) ?? []), model.replace(/^.*\/test_/, "")]);
  }
  const others = judged.flatMap(({ operator }) => (known.has(operator) ? [] : [operator]));
  const unread = others.filter((name) => /^[A-Z]/.test(name));
  return `# ONNX's own one-operator models

Made by \`ONNX_COVERAGE=accept npm run test:onnx\` from Debian's package libonnx-testdata 1.12; the test fails where it is not true.
A model counts as right when our reading of it gives the stored outputs and, where it has real numbers to differentiate by, our
gradients are the slopes that central differences of the forward graph find: in float64 to 1e-6 where onnxruntime has the kernels,
else in float32 to 3e-3. ${storedCount(stored)}, ${judged.length} of one operator: ${total("float64")} right in float64, ${total("float32")} in float32, ${total("forward")} with nothing to
differentiate, ${total("refused")} refused, ${total("wrong")} wrong. ONNX's own training operators ${optimizers.join(", ")} agree with our
optimizers.

| operator | models | gradient, float64 | gradient, float32 | outputs alone | refused |
| --- | --- | --- | --- | --- | --- |
${rows.join("\n")}

## Refused models of these operators

${[...reasons].map(([reason, models]) => `- ${reason} (${listed(models)})`).join("\n")}

## Operators that are not read

${[...new Set(unread)].sort().join(", ")}; and ${others.length - unread.length} models of sequences, text, optional values or bfloat16.
`;
}

/** What the page says first of the data, so that other data can be told by it. */
export function storedCount(stored: number): string {
  return `${stored} models`;
}

function kindOf(verdict: Verdict): Kind {
  return verdict.type === "gradient" ? (verdict.dtype as Kind) : verdict.type;
}

/** Without the names of one model's values. */
function plain(why: string): string {
  return why
    .replace(/ node of output "[^"]*"| node "[^"]*"/g, "")
    .replace(/^[a-z ]+: (?=the |it )/, "")
    .replace(/\s+/g, " ")
    .trim();
}

function listed(models: readonly string[]): string {
  return models.length > 3 ? `${models.length} models` : models.join(", ");
}
