/** How a snapshot differs from a configuration. */
import { type DescMessage, equals, type MessageShape } from "@bufbuild/protobuf";

import {
  ExperimentSchema,
  FieldSchema,
  LayerSchema,
  type Experiment,
  type Field,
  type Layer,
  type Snapshot,
} from "../gen/strata/config/v1/config_pb.js";
import { eidText } from "./compile.js";
import type { Fault, Kind } from "./fault.js";
import type { Change, State } from "./link.js";

/** Resources of a kind, each with its place in the list that it was given in. */
type Placed<T> = readonly (readonly [index: number, source: T])[];

const layerId = (source: Layer) => source.layerId;
const eidOf = (source: Experiment) => eidText(source.eid);
const nameOf = (source: Field) => source.name;

/** The change that leads to a snapshot. */
export class Delta {
  readonly change: Change;
  /** Resources that stand twice in the snapshot: the first one counts, the others are faults. */
  readonly repeated: Fault[] = [];
  /** Where the changed resources stand in the snapshot. */
  private readonly places: Readonly<Record<Kind, readonly number[]>>;

  constructor(
    before: State,
    private readonly snapshot: Snapshot,
  ) {
    const layers = firsts(this.repeated, "layer", snapshot.layers, layerId);
    const experiments = firsts(this.repeated, "experiment", snapshot.experiments, eidOf);
    const fields = firsts(this.repeated, "field", snapshot.fields, nameOf);
    const newLayers = others(layers, LayerSchema, (source) => before.layers.get(source.layerId)?.source);
    const newExperiments = others(
      experiments,
      ExperimentSchema,
      (source) => before.experiments.get(source.eid)?.source,
    );
    const newFields = others(fields, FieldSchema, (source) => before.fields.get(source.name)?.source);
    this.places = {
      layer: newLayers.map(([index]) => index),
      experiment: newExperiments.map(([index]) => index),
      field: newFields.map(([index]) => index),
    };
    const keptLayers = ids(layers, layerId);
    const keptExperiments = ids(experiments, eidOf);
    const keptFields = ids(fields, nameOf);
    this.change = {
      revision: snapshot.revision,
      layers: newLayers.map(([, source]) => source),
      experiments: newExperiments.map(([, source]) => source),
      fields: newFields.map(([, source]) => source),
      deletedLayers: Array.from(before.layers.values(), ({ id }) => id).filter((id) => !keptLayers.has(id)),
      deletedExperiments: Array.from(before.experiments.values(), ({ eid }) => eid).filter(
        (eid) => !keptExperiments.has(eidText(eid)),
      ),
      deletedFields: [...before.fields.keys()].filter((name) => !keptFields.has(name)),
    };
  }

  /** Gives a fault the place of its resource in the snapshot, instead of that in the change. */
  located(fault: Fault): Fault {
    if (fault.index >= 0) return { ...fault, index: this.places[fault.kind][fault.index] ?? fault.index };
    // Only layers and experiments are compiled again without a change.
    const { layers, experiments } = this.snapshot;
    const index =
      fault.kind === "layer"
        ? layers.findIndex((source) => source.layerId === fault.id)
        : experiments.findIndex((source) => eidOf(source) === fault.id);
    return { ...fault, index };
  }
}

/** Returns the resources of a change that stand in it twice, as faults. */
export function repeatedIn(change: Change): Fault[] {
  const repeated: Fault[] = [];
  firsts(repeated, "layer", change.layers ?? [], layerId);
  firsts(repeated, "experiment", change.experiments ?? [], eidOf);
  firsts(repeated, "field", change.fields ?? [], nameOf);
  return repeated;
}

/** Returns the resources, each once, and notes those that stand twice. One without an id is reported as such, each time. */
function firsts<T>(repeated: Fault[], kind: Kind, sources: readonly T[], idOf: (source: T) => string): Placed<T> {
  const seen = new Set<string>();
  const found: (readonly [number, T])[] = [];
  for (const [index, source] of sources.entries()) {
    const id = idOf(source);
    if (id !== "" && seen.has(id)) {
      const problem = "stands twice: the id must be unique";
      repeated.push({ reason: "id-taken", kind, id, index, path: "", problem });
    } else {
      seen.add(id);
      found.push([index, source]);
    }
  }
  return found;
}

/** Returns the resources that are not as they were. */
function others<D extends DescMessage>(
  sources: Placed<MessageShape<D>>,
  schema: D,
  before: (source: MessageShape<D>) => MessageShape<D> | undefined,
): Placed<MessageShape<D>> {
  return sources.filter(([, source]) => {
    const was = before(source);
    // By identity first: a message that is equal only by content was read again.
    return !was || (was !== source && !equals(schema, was, source, { unknown: true } as never));
  });
}

function ids<T>(sources: Placed<T>, idOf: (source: T) => string): Set<string> {
  return new Set(sources.map(([, source]) => idOf(source)));
}
