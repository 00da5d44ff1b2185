import { create, type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";

import { type Fault, Faults, faultText, Ruleset } from "../engine/index.js";
import {
  ExperimentSchema,
  FieldSchema,
  LayerSchema,
  SnapshotSchema,
  type Experiment,
  type Field,
  type Layer,
} from "../gen/strata/config/v1/config_pb.js";
import { EntityKind } from "../gen/strata/config/v1/entity_pb.js";
import type { Key } from "../hashtree.js";
import { type Entity, View } from "./view.js";

/** Why a configuration can not be run. */
export interface ViewFault {
  /** The entity at fault; undefined if that is no single one. */
  readonly key: Key | undefined;
  /** What is wrong with it. */
  readonly problem: string;
}

/** The error of a configuration that can not be run: at least one fault. */
export class ViewFaults extends Error {
  readonly faults: readonly ViewFault[];

  constructor(faults: readonly ViewFault[]) {
    super(faults.map(({ problem }) => problem).join("\n"));
    this.name = "ViewFaults";
    this.faults = faults;
  }
}

/**
 * Makes a Ruleset of a configuration from one that runs, in time that depends on what
 * differs between the two. The first two are undefined where nothing runs. Entities of
 * unknown kinds are passed over.
 *
 * @throws ViewFaults everything that is wrong
 */
export function compileView(running: View | undefined, rules: Ruleset | undefined, next: View): Ruleset {
  const collected = new Collected();
  for (const { key, after } of (running ?? View.empty).compare(next)) {
    if (after) collected.put(after);
    else collected.remove(key);
  }
  const { faults } = collected;
  if (faults.length > 0) throw new ViewFaults(faults);
  const { revision } = next.position;
  const { layers, experiments, fields } = collected;
  try {
    if (rules) return rules.apply({ revision, ...collected });
    return Ruleset.compile(undefined, create(SnapshotSchema, { revision, layers, experiments, fields }));
  } catch (error) {
    if (!(error instanceof Faults)) throw error;
    throw new ViewFaults(error.faults.map((fault) => ({ key: keyOf(fault), problem: faultText(fault) })));
  }
}

/** What differs, as the engine takes it. */
class Collected {
  readonly faults: ViewFault[] = [];
  readonly layers: Layer[] = [];
  readonly experiments: Experiment[] = [];
  readonly fields: Field[] = [];
  readonly deletedLayers: string[] = [];
  readonly deletedExperiments: number[] = [];
  readonly deletedFields: string[] = [];

  remove({ kind, name }: Key): void {
    switch (kind) {
      case EntityKind.LAYER:
        this.deletedLayers.push(name);
        break;
      case EntityKind.EXPERIMENT:
        this.deletedExperiments.push(Number(name));
        break;
      case EntityKind.FIELD:
        this.deletedFields.push(name);
        break;
      default:
    }
  }

  put(entity: Entity): void {
    switch (entity.key.kind) {
      case EntityKind.LAYER:
        this.decode(entity, "layer", LayerSchema, this.layers, ({ layerId }) => layerId);
        break;
      case EntityKind.EXPERIMENT:
        this.decode(entity, "experiment", ExperimentSchema, this.experiments, ({ eid }) => String(eid));
        break;
      case EntityKind.FIELD:
        this.decode(entity, "field", FieldSchema, this.fields, ({ name }) => name);
        break;
      default:
    }
  }

  private decode<D extends DescMessage>(
    { key, payload }: Entity,
    kind: string,
    schema: D,
    into: MessageShape<D>[],
    nameOf: (message: MessageShape<D>) => string,
  ): void {
    const fail = (what: string) => this.faults.push({ key, problem: `${kind} ${key.name}: ${what}` });
    let message;
    try {
      message = fromBinary(schema, payload);
    } catch {
      fail("its payload is no such message");
      return;
    }
    const name = nameOf(message);
    if (name === key.name) into.push(message);
    else fail(`its payload is that of ${JSON.stringify(name)}`);
  }
}

const kinds = { layer: EntityKind.LAYER, experiment: EntityKind.EXPERIMENT, field: EntityKind.FIELD } as const;

function keyOf({ kind, id }: Fault): Key {
  return { kind: kinds[kind], name: id };
}
