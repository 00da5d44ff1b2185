// Configurations, and chance that can be had again.
import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { Faults, faultText, Ruleset } from "../../src/engine/index.js";
import { type Operator, type Snapshot, SnapshotSchema, type Value } from "../../src/gen/strata/config/v1/config_pb.js";

export type SnapshotInit = MessageInitShape<typeof SnapshotSchema> & { $typeName?: never };
type Kind = Exclude<Value["kind"], { case: undefined }>;

export interface RuleInit {
  readonly op: Operator;
  readonly field?: string;
  readonly values?: { kind: Kind }[];
  readonly children?: RuleInit[];
}

/** Returns a value to compare with. */
export function value(of: string | number | boolean): { kind: Kind } {
  switch (typeof of) {
    case "string":
      return { kind: { case: "stringValue", value: of } };
    case "number":
      return { kind: { case: "numberValue", value: of } };
    default:
      return { kind: { case: "boolValue", value: of } };
  }
}

/** Returns a condition. */
export function where(field: string, op: Operator, ...values: (string | number | boolean)[]): RuleInit {
  return { op, field, values: values.map(value) };
}

/** Returns a configuration in which everybody with a user_id gets the parameters of a service "s", if the rule is TRUE. */
export function ruled(
  rule: RuleInit | undefined,
  fields: SnapshotInit["fields"] = [],
  params = `{"on":true}`,
): Snapshot {
  return create(SnapshotSchema, {
    revision: 1n,
    layers: [
      {
        layerId: "l",
        hashKey: "user_id",
        salt: "salt",
        enabled: true,
        ranges: [{ start: 0, end: 10_000, vid: 1 }],
      },
    ],
    experiments: [{ eid: 1, service: "s", ...(rule && { rule }), variants: [{ vid: 1, paramsJson: params }] }],
    fields,
  });
}

/**
 * Returns a configuration of a service "s" with a layer for each text of parameters, the
 * first one of the highest priority: layer "l0" with experiment 1 and variant 1, and so on.
 */
export function layered(...params: string[]): Snapshot {
  return create(SnapshotSchema, {
    revision: 1n,
    layers: params.map((_, i) => ({
      layerId: `l${i}`,
      priority: params.length - i,
      hashKey: "user_id",
      salt: `salt${i}`,
      enabled: true,
      ranges: [{ start: 0, end: 10_000, vid: i + 1 }],
    })),
    experiments: params.map((paramsJson, i) => ({ eid: i + 1, service: "s", variants: [{ vid: i + 1, paramsJson }] })),
  });
}

export function compile(snapshot: Snapshot, previous?: Ruleset): Ruleset {
  return Ruleset.compile(previous, snapshot);
}

/** Returns the faults of what is refused, a line each. */
export function faultsOf(refused: () => unknown): string[] {
  try {
    refused();
  } catch (error) {
    if (error instanceof Faults) return error.faults.map(faultText);
    throw error;
  }
  return [];
}

/** Chance from a seed. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Returns an integer from 0 to below n. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    x ^= x + Math.imul(x ^ (x >>> 7), 61 | x);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  }

  pick<T>(...from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0];
  }

  shuffled<T>(list: readonly T[]): T[] {
    const all = [...list];
    for (let i = all.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const [a, b] = [all[i], all[j]];
      if (a !== undefined && b !== undefined) [all[i], all[j]] = [b, a];
    }
    return all;
  }
}
