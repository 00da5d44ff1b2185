/** Rules: three-valued logic, run as two-valued programs. */
import { FieldType, Operator } from "../gen/strata/config/v1/config_pb.js";
import type { Attribute, Look } from "./inputs.js";
import { Pattern } from "./like.js";
import { compareVersions, type Version } from "./semver.js";
import { compareText } from "./text.js";
import { Truth } from "./types.js";
import type { Plain } from "./value.js";

/** Reports whether a condition comes to what is wanted for the value of its attribute. */
type Test = (value: Plain | undefined, attribute: Attribute) => boolean;

/**
 * Decides whether a rule is TRUE (or FALSE, if it was made for that): a step that says
 * where to go on if its test holds, and if not, in the end to the answer. Three-valued
 * logic needs no third value here, because negations are pushed down to the conditions:
 * an and is TRUE if all children are TRUE and FALSE if any child is FALSE, and the other
 * way round for an or, whatever is UNKNOWN.
 */
export type Program = Step | boolean;

interface Step {
  readonly attribute: Attribute;
  readonly test: Test;
  readonly yes: Program;
  readonly no: Program;
}

/**
 * Reports whether a rule comes to what its program was made for. It takes at most one
 * test for each condition of the rule.
 */
export function run(program: Program, look: Look): boolean {
  let at = program;
  while (typeof at === "object") {
    at = at.test(look.value(at.attribute), at.attribute) ? at.yes : at.no;
  }
  return at;
}

/**
 * A node of a rule tree as it was written. Explanations walk the tree; evaluations run
 * the program that is made of it.
 */
export interface RuleNode {
  readonly op: Operator;
  readonly children: readonly RuleNode[];
  /** Undefined for and, or, not, and for one with faults. */
  readonly condition: Condition | undefined;
}

/** Compares a context field with values. */
export interface Condition {
  readonly attribute: Attribute;
  readonly op: Operator;
  readonly type: FieldType;
  /** As written. */
  readonly values: readonly Plain[];
  /** Of a semver condition, the values. */
  readonly versions: readonly Version[];
}

/**
 * Evaluates one node by running the programs made of it: the same way in which a whole
 * rule is evaluated, so an explanation can not contradict an evaluation.
 */
export function truthOf(node: RuleNode, look: Look): Truth {
  if (run(newProgram(node, Truth.TRUE), look)) return Truth.TRUE;
  return run(newProgram(node, Truth.FALSE), look) ? Truth.FALSE : Truth.UNKNOWN;
}

/** Reports whether a rule has a condition on one of some fields. */
export function usesAny({ condition, children }: RuleNode, fields: ReadonlySet<string>): boolean {
  if (condition && fields.has(condition.attribute.name)) return true;
  return children.some((child) => usesAny(child, fields));
}

/** Returns the program that decides whether a rule without faults comes to TRUE, or to FALSE. */
export function newProgram(node: RuleNode, wanted: Truth): Program {
  return precede(node, wanted, true, false);
}

/** Returns the program that decides that about a node, and goes on with one of two others. */
function precede({ op, children, condition }: RuleNode, wanted: Truth, yes: Program, no: Program): Program {
  if (condition) {
    return { attribute: condition.attribute, test: testOf(condition, wanted === Truth.TRUE), yes, no };
  }
  const all = op === Operator.NOT || (op === Operator.AND) === (wanted === Truth.TRUE);
  const below = op === Operator.NOT ? opposite(wanted) : wanted;
  // Steps are made from the last to the first, as each must know the next.
  let next = all ? yes : no;
  for (const child of [...children].reverse()) {
    next = all ? precede(child, below, next, no) : precede(child, below, yes, next);
  }
  return next;
}

function opposite(truth: Truth): Truth {
  return truth === Truth.TRUE ? Truth.FALSE : Truth.TRUE;
}

// The outcomes of a comparison, and sets of them for which an operator holds.
const less = 1;
const equal = 2;
const greater = 4;

function orderOf(op: Operator): number {
  switch (op) {
    case Operator.EQ:
      return equal;
    case Operator.NEQ:
      return less | greater;
    case Operator.GT:
      return greater;
    case Operator.GTE:
      return greater | equal;
    case Operator.LT:
      return less;
    case Operator.LTE:
      return less | equal;
    default:
      return 0;
  }
}

/** Reports whether the outcome of a comparison, negative, 0 or positive, is in a set. */
function has(order: number, outcome: number): boolean {
  const is = outcome === 0 ? equal : outcome < 0 ? less : greater;
  return (order & is) !== 0;
}

/** Returns a test of whether a condition holds, or of whether it does not. UNKNOWN is neither. */
function testOf({ type, op, values, versions }: Condition, holds: boolean): Test {
  const found = (op === Operator.IN || op === Operator.LIKE) === holds;
  const order = holds ? orderOf(op) : orderOf(op) ^ (less | equal | greater);
  switch (type) {
    case FieldType.STRING:
      return testText(op, values, found, order);
    case FieldType.SEMVER:
      return testVersion(op, versions, found, order);
    case FieldType.BOOL:
      return testBool(op, values, found, order);
    default:
      return testNumber(op, values, found, order, type === FieldType.INT);
  }
}

function isAmong(op: Operator): boolean {
  return op === Operator.IN || op === Operator.NOT_IN;
}

function testText(op: Operator, values: readonly Plain[], found: boolean, order: number): Test {
  const text = String(values[0]);
  if (isAmong(op)) {
    const among = new Set(values);
    return (value) => typeof value === "string" && among.has(value) === found;
  }
  if (op === Operator.LIKE || op === Operator.NOT_LIKE) {
    const pattern = new Pattern(text);
    return (value) => typeof value === "string" && pattern.match(value) === found;
  }
  if (order === equal) return (value) => value === text;
  if (order === (less | greater)) return (value) => typeof value === "string" && value !== text;
  return (value) => typeof value === "string" && has(order, compareText(value, text));
}

function testNumber(op: Operator, values: readonly Plain[], found: boolean, order: number, safe: boolean): Test {
  if (isAmong(op)) {
    const among = new Set(values);
    return (value) => isNumber(value, safe) && among.has(value) === found;
  }
  const number = Number(values[0]);
  return (value) => isNumber(value, safe) && has(order, value - number);
}

function isNumber(value: Plain | undefined, safe: boolean): value is number {
  return typeof value === "number" && (!safe || Number.isSafeInteger(value));
}

function testBool(op: Operator, values: readonly Plain[], found: boolean, order: number): Test {
  const holdsFor = isAmong(op)
    ? (one: boolean) => values.includes(one) === found
    : (one: boolean) => has(order, Number(one) - Number(values[0]));
  const yes = holdsFor(true);
  const no = holdsFor(false);
  return (value) => (value === true && yes) || (value === false && no);
}

function testVersion(op: Operator, versions: readonly Version[], found: boolean, order: number): Test {
  const sorted = [...versions].sort(compareVersions);
  const [first] = sorted;
  const holdsFor = isAmong(op)
    ? (version: Version) => includes(sorted, version) === found
    : (version: Version) => first !== undefined && has(order, compareVersions(version, first));
  return (value, attribute) => {
    const version = typeof value === "string" ? attribute.versionOf(value) : undefined;
    return version !== undefined && holdsFor(version);
  };
}

function includes(sorted: readonly Version[], version: Version): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = sorted[middle];
    const order = at ? compareVersions(at, version) : 0;
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
