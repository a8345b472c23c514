// All small defects that a compiled file can be given: one change each, where it stands and what it does.
import ts from "typescript";

const opposite = new Map([
  [ts.SyntaxKind.LessThanToken, "<="],
  [ts.SyntaxKind.LessThanEqualsToken, "<"],
  [ts.SyntaxKind.GreaterThanToken, ">="],
  [ts.SyntaxKind.GreaterThanEqualsToken, ">"],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, "!=="],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, "==="],
  [ts.SyntaxKind.AmpersandAmpersandToken, "||"],
  [ts.SyntaxKind.BarBarToken, "&&"],
  [ts.SyntaxKind.PlusToken, "-"],
  [ts.SyntaxKind.MinusToken, "+"],
  [ts.SyntaxKind.AsteriskToken, "/"],
  [ts.SyntaxKind.SlashToken, "*"],
]);

/** Calls that give back a part or an order of what they are called on. */
const selections = new Set(["filter", "slice", "subarray", "sort", "reverse", "toSorted", "toReversed"]);

/**
 * The mutants of a source: `{ at, before, after, line, change }`, in the order of the text. Messages of errors and
 * assertions are left alone: the former are the tests' of bad input, the latter never fail.
 */
export function mutantsOf(source, fileName) {
  const file = ts.createSourceFile(fileName, source, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const found = [];
  const add = (node, after, change) => {
    const at = node.getStart(file);
    const before = source.slice(at, node.getEnd());
    const { line } = file.getLineAndCharacterOfPosition(at);
    if (before !== after) found.push({ at, before, after, line: line + 1, change });
  };

  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isNewExpression(node) || isAssertion(node)) return;
    const condition = conditionOf(node);
    if (condition !== undefined) add(condition, `!(${condition.getText(file)})`, "condition negated");
    if (ts.isBinaryExpression(node)) operator(node);
    else if (ts.isExpressionStatement(node) && isEffect(node.expression)) add(node, ";", "statement removed");
    else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, "false", "true is false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true", "false is true");
    else if (ts.isNumericLiteral(node)) add(node, String(Number(node.text) + 1), "number one larger");
    else if (ts.isArrayLiteralExpression(node) && node.elements.length > 0 && !isPattern(node))
      add(node, "[]", "array emptied");
    else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) selection(node);
    ts.forEachChild(node, visit);
  };

  function operator(node) {
    const { operatorToken, left, right } = node;
    if (operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      add(node, left.getText(file), "default dropped");
      return;
    }
    const text = [left, right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
    const other = opposite.get(operatorToken.kind);
    if (other === undefined || (text && operatorToken.kind === ts.SyntaxKind.PlusToken)) return;
    add(operatorToken, other, `${operatorToken.getText(file)} is ${other}`);
  }

  function selection(node) {
    const { name, expression } = node.expression;
    if (selections.has(name.text)) add(node, expression.getText(file), `.${name.text}() left out`);
  }

  visit(file);
  return found.sort((a, b) => a.at - b.at);
}

function conditionOf(node) {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) return node.expression;
  if (ts.isConditionalExpression(node)) return node.condition;
  return undefined;
}

/** What is done for its effect: a call, an assignment, a count. */
function isEffect(expression) {
  const inner =
    ts.isAwaitExpression(expression) || ts.isVoidExpression(expression) ? expression.expression : expression;
  if (ts.isCallExpression(inner)) return inner.expression.kind !== ts.SyntaxKind.SuperKeyword && !isAssertion(inner);
  if (ts.isBinaryExpression(inner)) return ts.isAssignmentOperator(inner.operatorToken.kind);
  return ts.isPostfixUnaryExpression(inner) || ts.isPrefixUnaryExpression(inner);
}

function isAssertion(node) {
  return ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "assert";
}

/** On the left of an assignment, an array literal names variables. */
function isPattern(node) {
  return ts.isBinaryExpression(node.parent) && node.parent.left === node;
}
