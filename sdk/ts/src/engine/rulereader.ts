/** Reads rules. */
import { FieldType, Operator, type Rule, type Value } from "../gen/strata/config/v1/config_pb.js";
import type { Report } from "./fault.js";
import type { Attributes } from "./inputs.js";
import type { Field } from "./resources.js";
import type { Condition, RuleNode } from "./rule.js";
import { parseVersion } from "./semver.js";
import { clip, isWellFormed, utf8Length } from "./text.js";
import { type Plain, valueText } from "./value.js";

/** How deep a rule may be nested, a lone condition counted as 1. */
const maxRuleDepth = 80;
/** How many nodes it may have. */
const maxRuleNodes = 10_000;
/** How many values a condition may have. */
const maxValues = 10_000;
/** How long each may be. */
const maxValueBytes = 4096;

/** Returns an operator as files write it. */
export function operatorName(op: Operator): string {
  return Operator[op].toLowerCase();
}

/** Returns the type of a field as files write it. */
export function typeName(type: FieldType): string {
  return FieldType[type].toLowerCase();
}

/** Reads one rule. */
export class RuleReader {
  private readonly report: Report;
  private readonly attributes: Attributes;
  private readonly fields: ReadonlyMap<string, Field>;
  private nodes = 0;

  constructor(report: Report, attributes: Attributes, fields: ReadonlyMap<string, Field>) {
    this.report = report;
    this.attributes = attributes;
    this.fields = fields;
  }

  /** Reads a node and all below it. Where it reports a fault, the node is of no use. */
  read(path: string, source: Rule, depth: number): RuleNode {
    const { op } = source;
    const none: RuleNode = { op, children: [], condition: undefined };
    this.nodes++;
    if (depth > maxRuleDepth) {
      this.report.fault(path, `is nested deeper than ${maxRuleDepth} levels`);
      return none;
    }
    if (this.nodes > maxRuleNodes) {
      if (this.nodes === maxRuleNodes + 1) this.report.fault("rule", `has more than ${maxRuleNodes} nodes`);
      return none;
    }
    if (op < Operator.AND || op > Operator.NOT_LIKE) {
      this.report.fault(path, "has an unknown operator");
      return none;
    }
    if (op <= Operator.NOT) return { ...none, children: this.children(path, source, depth) };
    if (source.children.length > 0) this.report.fault(path, "is a condition and can have no children");
    return { ...none, condition: this.condition(path, source) };
  }

  private children(path: string, { op, field, values, children }: Rule, depth: number): RuleNode[] {
    const name = operatorName(op);
    if (field !== "" || values.length > 0) this.report.fault(path, `is ${name} and can have no field and no values`);
    if (op === Operator.NOT && children.length !== 1) {
      this.report.fault(path, `is not and has ${children.length} children, want exactly one`);
    } else if (children.length === 0) {
      this.report.fault(path, `is ${name} and has no children, want at least one`);
    }
    return children.map((child, i) =>
      this.read(op === Operator.NOT ? `${path}.child` : `${path}.children[${i}]`, child, depth + 1),
    );
  }

  private condition(path: string, { op, field, values }: Rule): Condition | undefined {
    const { report } = this;
    report.name(`${path}.field`, field);
    const at = `${path}.values`;
    const count = values.length;
    if (count === 0) {
      report.fault(at, "are missing");
      return undefined;
    }
    if (count > 1 && op !== Operator.IN && op !== Operator.NOT_IN) {
      report.fault(at, `are ${count}, ${operatorName(op)} takes exactly one`);
      return undefined;
    }
    if (count > maxValues) {
      report.fault(at, `are ${count}, at most ${maxValues} are allowed`);
      return undefined;
    }
    const type = this.fields.get(field)?.type ?? inferType(values);
    if (type === FieldType.UNSPECIFIED) {
      report.fault(at, "are of different types, and the field is not declared");
      return undefined;
    }
    const ordered = op >= Operator.GT && op <= Operator.LTE;
    const pattern = op === Operator.LIKE || op === Operator.NOT_LIKE;
    if ((ordered && type === FieldType.BOOL) || (pattern && type !== FieldType.STRING)) {
      report.fault(`${path}.op`, `is ${operatorName(op)}, which a ${typeName(type)} field can not be compared by`);
      return undefined;
    }
    const plain: Plain[] = [];
    for (const [i, { kind }] of values.entries()) {
      const { value } = kind;
      const problem = problemOf(value, type);
      if (problem !== undefined) report.fault(`${at}[${i}]`, problem);
      else if (value !== undefined) plain.push(value);
    }
    const versions = type === FieldType.SEMVER ? plain.flatMap((value) => parseVersion(String(value)) ?? []) : [];
    return { attribute: this.attributes.of(field), op, type, values: plain, versions };
  }
}

/** Returns the type of an undeclared field, UNSPECIFIED for mixed values. */
function inferType(values: readonly Value[]): FieldType {
  const types = new Set(values.map(({ kind }) => typeOf(kind)));
  const [first = FieldType.UNSPECIFIED] = types;
  if (types.size === 1) return first;
  const numbers = types.size === 2 && types.has(FieldType.INT) && types.has(FieldType.FLOAT);
  return numbers ? FieldType.FLOAT : FieldType.UNSPECIFIED;
}

function typeOf(kind: Value["kind"]): FieldType {
  switch (kind.case) {
    case "stringValue":
      return FieldType.STRING;
    case "boolValue":
      return FieldType.BOOL;
    case "numberValue":
      return Number.isSafeInteger(kind.value) ? FieldType.INT : FieldType.FLOAT;
    default:
      return FieldType.UNSPECIFIED;
  }
}

/** Says what is wrong with a value to compare with, which must be of the condition's type. */
function problemOf(value: Plain | undefined, type: FieldType): string | undefined {
  if (typeof value === "string") {
    const bytes = utf8Length(value);
    if (bytes > maxValueBytes) return `is ${bytes} bytes long, at most ${maxValueBytes} are allowed`;
    if (!isWellFormed(value)) return "is not valid UTF-8";
  }
  return isOf(value, type) ? undefined : `is ${clip(valueText(value))}, which is no ${typeName(type)}`;
}

function isOf(value: Plain | undefined, type: FieldType): boolean {
  switch (type) {
    case FieldType.STRING:
      return typeof value === "string";
    case FieldType.INT:
      return Number.isSafeInteger(value);
    case FieldType.FLOAT:
      return Number.isFinite(value);
    case FieldType.BOOL:
      return typeof value === "boolean";
    default:
      return typeof value === "string" && parseVersion(value) !== undefined;
  }
}
