// Mutants that no test notices, and why none can or need; `npm run mutation` finds them, docs/mutation.md shows them.

export interface Survivor {
  /** The end of the compiled file's path. */
  readonly file: string;
  /** The line that holds the change, without its indentation. */
  readonly code: string;
  readonly change: string;
  readonly why: string;
}

const log = "checkpointer/dist/src/directory-log.js";
const replaceFile = "checkpointer/dist/src/replace-file.js";

/** Several changes of one line, and one reason. */
function each(file: string, code: string, changes: readonly string[], why: string): readonly Survivor[] {
  return changes.map((change) => ({ file, code, change, why }));
}

const spares = "Only spares reading a file that is as it was; what is read then is the same.";
const anew = "The next append writes a new file, with all of these made anew.";
const calls = "Says in how many calls pieces are written, or writes no bytes; the contents are the same.";

export const survivors: readonly Survivor[] = [
  ...each(
    log,
    'const empty = { records: [], checksum: 0, byteLength: 0, tail: "none" };',
    ["number one larger"],
    "A log without a file is written whole by its first append.",
  ),
  ...each(
    log,
    "if (!doubtful && identityOf(entry) === identity && (entry?.byteLength ?? 0) === byteLength)",
    ["default dropped", "number one larger"],
    spares,
  ),
  ...each(log, "identity = identityOf(entry);", ["statement removed"], spares),
  ...each(log, "doubtful = false;", ["statement removed", "false is true"], anew),
  ...each(
    log,
    "[checksum, byteLength, identity, doubtful, removing] = [0, 0, undefined, false, false];",
    ["array emptied", "number one larger", "false is true"],
    anew,
  ),
  ...each(log, "attempted.length = 0;", ["number one larger"], "An attempt that is no record is like none."),
  ...each(
    "checkpointer/dist/src/directory-blobs.js",
    "while (done < target.byteLength) {",
    ["< is <="],
    "One more read, of no bytes.",
  ),
  ...each(replaceFile, "underWay.delete(path);", ["statement removed"], "A random name that no file has any more."),
  ...each(replaceFile, "let held = 0;", ["number one larger"], calls),
  ...each(replaceFile, "if (held > 0)", ["> is >=", "number one larger"], calls),
  ...each(replaceFile, "[small, held] = [[], 0];", ["number one larger"], calls),
  ...each(replaceFile, "if (piece.byteLength > smallBytes)", ["> is >="], calls),
  {
    file: "checkpointer/dist/src/directory-log.js",
    code: "attempted.length = 0;",
    change: "statement removed",
    why: "Attempts that came true stay known as our own. It would take another writer who appends one of them a second time, byte for byte; every entry of a journal names its round and client, so none occurs twice.",
  },
  ...["< is <=", "number one larger"].map((change) => ({
    file: "engine/closing.js",
    code: "return a.client < b.client ? -1 : 1;",
    change,
    why: "The two are not the same there, and a sort looks at the sign alone.",
  })),
  {
    file: "engine/closing.js",
    code: "return (a.stale?.round ?? Infinity) - (b.stale?.round ?? Infinity);",
    change: "default dropped",
    why: "Only orders a client's fresh update against its stale one. Without it they keep the order they came in, which is the journal's: as fixed, and as good.",
  },
  {
    file: "engine/late.js",
    code: "if (!plan.strategy.late || state.versions.has(round))",
    change: "|| is &&",
    why: "Notes a round's model once more, or where no late answer can count. It is the same model, is asked for only where late answers count, and is dropped when the round commits.",
  },
  {
    file: "engine/progress.js",
    code: "return durable.round >= plan.numRounds || (plan.stopWhen?.(durable.history) ?? false);",
    change: "default dropped",
    why: "Without a rule it is `undefined` in the place of `false`, and is only asked whether it is true.",
  },
  {
    file: "engine/step.js",
    code: "if (timer !== clientsTimer(round) || state.open.fit !== undefined || free >= needed)",
    change: ">= is >",
    why: "A round for which exactly enough clients are there has been opened by the same step that counted them, so its timer finds it open.",
  },
  {
    file: "server/dist/src/resume.js",
    code: "else if (round > next) {",
    change: "> is >=",
    why: "The round is not the next one there: only another round, or one of another attempt, is given up.",
  },
  ...["condition negated", "<= is <"].map((change) => ({
    file: "checkpointer/dist/src/blob-reference.js",
    code: "const source = length <= heldBytes ? heldReader(reader.read(0, length)) : reader;",
    change,
    why: "Only spares opening a small result's file for each of its tensors; the same bytes are read either way.",
  })),
  {
    file: "checkpointer/dist/src/blob-reference.js",
    code: "const heldBytes = 1 << 14;",
    change: "number one larger",
    why: "The same: up to which size a file is read at once.",
  },
  {
    file: "checkpointer/dist/src/blob-reference.js",
    code: "const pieceBytes = 1 << 20;",
    change: "number one larger",
    why: "A checksum does not depend on the pieces in which its bytes are taken.",
  },
  {
    file: "checkpointer/dist/src/blob-reference.js",
    code: "for (let at = 0; at < length; at += pieceBytes) {",
    change: "< is <=",
    why: "One more piece, of no bytes.",
  },
  {
    file: "checkpointer/dist/src/journal.js",
    code: 'const { term = randomBytes(12).toString("hex"), heldBytes = 1 << 14 } = options;',
    change: "number one larger",
    why: "A writer's name may have any length, as long as nobody else has it.",
  },
  {
    file: "checkpointer/dist/src/replace-file.js",
    code: "if (piece.byteLength > smallBytes || held + piece.byteLength > smallBytes) {",
    change: "> is >=",
    why: "Says in how many calls a piece of just that size is written; the contents are the same.",
  },
];
