import ts from 'typescript';

/** One change of one source file. `line` and `change` identify it, also after other lines have moved. */
export interface Mutant {
  file: string;
  /** Line number of the change, from 1. */
  lineNumber: number;
  /** That line, without its indentation. */
  line: string;
  /** The change in words. */
  change: string;
  start: number;
  end: number;
  replacement: string;
}

const OTHER_OPERATOR: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.AmpersandAmpersandToken]: '||',
  [ts.SyntaxKind.BarBarToken]: '&&',
  [ts.SyntaxKind.LessThanToken]: '<=',
  [ts.SyntaxKind.LessThanEqualsToken]: '<',
  [ts.SyntaxKind.GreaterThanToken]: '>=',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>',
};
const CHECK_CALL = /^(await )?[\w.#]*(assert|refuse|check)/i;

/** All mutants of a file: guards that never act, negated conditions, other operators, results and limits. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lines = text.split('\n');
  const found: Mutant[] = [];
  const add = (node: ts.Node, change: string, replacement: string) => {
    const start = node.getStart();
    const { line } = source.getLineAndCharacterOfPosition(start);
    found.push({
      file,
      lineNumber: line + 1,
      line: (lines[line] ?? '').trim(),
      change,
      start,
      end: node.getEnd(),
      replacement,
    });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node)) return;
    const operator = ts.isBinaryExpression(node) ? OTHER_OPERATOR[node.operatorToken.kind] : undefined;
    if (ts.isIfStatement(node)) {
      if (isExit(node.thenStatement)) add(node.expression, 'never', 'false');
      else add(node.expression, 'negated', `!(${node.expression.getText()})`);
    } else if (ts.isConditionalExpression(node)) {
      add(node.condition, 'negated', `!(${node.condition.getText()})`);
    } else if (ts.isBinaryExpression(node) && operator !== undefined) {
      add(node.operatorToken, `${operator} in "${short(node)}"`, operator);
    } else if (ts.isThrowStatement(node) && !isGuarded(node)) add(node, 'without the throw', ';');
    else if (ts.isExpressionStatement(node) && CHECK_CALL.test(node.getText())) {
      add(node, 'without the call', ';');
    } else if (ts.isReturnStatement(node) && node.expression !== undefined) {
      const { kind } = node.expression;
      if (kind === ts.SyntaxKind.TrueKeyword) add(node.expression, 'returns false', 'false');
      if (kind === ts.SyntaxKind.FalseKeyword) add(node.expression, 'returns true', 'true');
    } else if (ts.isVariableDeclaration(node) && isLimit(node)) {
      add(node.initializer as ts.Expression, 'twice the limit', `(2 * (${node.initializer?.getText()}))`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const short = (node: ts.Node) => node.getText().replace(/\s+/g, ' ').slice(0, 60);

/** Whether a branch only leaves: a guard. */
function isExit(branch: ts.Statement): boolean {
  const last = ts.isBlock(branch) ? branch.statements.at(-1) : branch;
  return (
    last !== undefined &&
    (ts.isReturnStatement(last) ||
      ts.isThrowStatement(last) ||
      ts.isContinueStatement(last) ||
      ts.isBreakStatement(last))
  );
}

/** The mutant of its `if` covers a throw that is the only statement there. */
function isGuarded(node: ts.ThrowStatement): boolean {
  const { parent } = node;
  const block = ts.isBlock(parent) && parent.statements.length === 1 ? parent.parent : parent;
  return ts.isIfStatement(block);
}

/** A bound at the top level of a file; other constants are tuning. */
function isLimit({ name, initializer, parent }: ts.VariableDeclaration): boolean {
  return (
    ts.isIdentifier(name) &&
    /^MAX_[A-Z\d_]+$/.test(name.text) &&
    initializer !== undefined &&
    /^[\d_*\s]+$/.test(initializer.getText()) &&
    ts.isSourceFile(parent.parent.parent)
  );
}
