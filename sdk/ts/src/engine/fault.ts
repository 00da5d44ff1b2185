import { utf8Length, isWellFormed } from "./text.js";

/** A kind of resource in a configuration. */
export type Kind = "layer" | "experiment" | "field";

/** A kind of fault. */
export type Reason =
  /** A value is missing, out of range or too long. */
  | "invalid-value"
  /** Two ranges of a layer have a slot. */
  | "ranges-overlap"
  /** Variants of an experiment stand in two layers. */
  | "in-two-layers"
  /** A range names a vid that no experiment has. */
  | "unknown-variant"
  /** An id stands twice. */
  | "id-taken"
  /** A variant stands in a layer of another service. */
  | "wrong-service"
  /** A rule is malformed. */
  | "invalid-rule"
  /** Parameters are malformed. */
  | "invalid-params"
  /** Parameters are longer than 1 MiB. */
  | "params-too-large";

/** One reason why a configuration is refused. */
export interface Fault {
  /** What kind of fault it is, for programs. */
  readonly reason: Reason;
  readonly kind: Kind;
  /** The resource's id; empty if it has none. */
  readonly id: string;
  /** The resource's place in the list that it was given in; -1 if it was not given, as in a change of others. */
  readonly index: number;
  /** From the resource to the value at fault, such as "ranges[1].end"; empty for the resource as a whole. */
  readonly path: string;
  /** What is wrong there, and what would be right. */
  readonly problem: string;
}

/** A fault in one line, for people. */
export function faultText(fault: Fault): string {
  const resource = fault.id === "" ? `at index ${fault.index}` : fault.id;
  const path = fault.path === "" ? "" : `: ${fault.path}`;
  return `${fault.kind} ${resource}${path}: ${fault.problem}`;
}

/** The error of a refused configuration: every fault found, at least one, but of more than a thousand only the first. */
export class Faults extends Error {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map(faultText).join("\n"));
    this.name = "Faults";
    this.faults = faults;
  }
}

/**
 * How many faults are listed. A hostile file has room for millions, and nobody
 * reads the thousandth.
 */
export const maxFaults = 1000;

const maxNameBytes = 256;

/** Collects the faults of one resource. */
export class Report {
  constructor(
    private readonly faults: Fault[],
    private readonly kind: Kind,
    private readonly id: string,
    private readonly index: number,
    private readonly reason: Reason = "invalid-value",
  ) {}

  /** A report of faults of another kind. */
  as(reason: Reason): Report {
    return new Report(this.faults, this.kind, this.id, this.index, reason);
  }

  fault(path: string, problem: string): void {
    const { faults, reason, kind, id, index } = this;
    if (faults.length < maxFaults) {
      faults.push({ reason, kind, id, index, path, problem });
    } else if (faults.length === maxFaults) {
      const more = `has a fault that is not listed, and so may others: only the first ${maxFaults} are`;
      faults.push({ reason, kind, id, index, path: "", problem: more });
    }
  }

  name(path: string, name: string): void {
    const bytes = utf8Length(name);
    if (bytes === 0) {
      this.fault(path, "is missing");
    } else if (bytes > maxNameBytes) {
      this.fault(path, `is ${bytes} bytes long, at most ${maxNameBytes} are allowed`);
    } else if (!isWellFormed(name)) {
      this.fault(path, "is not valid UTF-8");
    }
  }
}
