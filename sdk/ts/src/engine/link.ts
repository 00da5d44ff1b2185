/** How a configuration is made from another one and a change. */
import type {
  Experiment as ExperimentSource,
  Field as FieldSource,
  Layer as LayerSource,
} from "../gen/strata/config/v1/config_pb.js";
import { slots } from "./bucket.js";
import { eidText, readExperiment, readField, readLayer } from "./compile.js";
import { type Fault, Report } from "./fault.js";
import type { Attributes } from "./inputs.js";
import { compareLayers, type Experiment, type Field, type Layer, Linked, Service, type Variant } from "./resources.js";
import { usesAny } from "./rule.js";
import { Table } from "./table.js";
import { compareText } from "./text.js";

/** The difference between two configurations. */
export interface Change {
  /** What the result is called. */
  readonly revision: bigint;
  /**
   * Are added, or replace those of the same id, each id once. They must not be changed
   * afterwards.
   */
  readonly layers?: readonly LayerSource[];
  readonly experiments?: readonly ExperimentSource[];
  readonly fields?: readonly FieldSource[];
  /** Are gone, if they were there and are not added again. */
  readonly deletedLayers?: readonly string[];
  readonly deletedExperiments?: readonly number[];
  readonly deletedFields?: readonly string[];
}

/** A linked configuration. It is not changed once it is complete. */
export interface State {
  readonly revision: bigint;
  readonly layers: Table<string, Layer>;
  readonly experiments: Table<number, Experiment>;
  /** By vid. */
  readonly variants: Table<number, Variant>;
  /** The layer that an experiment lives in, by eid. */
  readonly homes: Table<number, string>;
  readonly services: Map<string, Service>;
  readonly fields: Map<string, Field>;
}

/** Returns the configuration of nothing. */
export function emptyState(): State {
  return {
    revision: 0n,
    layers: new Table(),
    experiments: new Table(),
    variants: new Table(),
    homes: new Table(),
    services: new Map(),
    fields: new Map(),
  };
}

/**
 * Returns a configuration with a change made to it, and its faults: if there are any it
 * is of no use. Their index is the place in the list of the change, or -1 for a resource
 * that was not changed itself.
 */
export function link(before: State, change: Change, attributes: Attributes): { state: State; faults: Fault[] } {
  const builder = new Builder(before, change.revision, attributes);
  builder.apply(change);
  return { state: builder.next, faults: builder.faults };
}

/** Reads the changed resources, and links again what refers to them. */
class Builder {
  readonly next: State;
  readonly faults: Fault[] = [];
  private readonly before: State;
  private readonly attributes: Attributes;
  /**
   * The layers that are read again, linked again or deleted, with their new form;
   * undefined for a deleted one.
   */
  private readonly moved = new Map<string, Layer | undefined>();

  constructor(before: State, revision: bigint, attributes: Attributes) {
    this.before = before;
    this.attributes = attributes;
    this.next = {
      revision,
      layers: new Table(before.layers),
      experiments: new Table(before.experiments),
      variants: new Table(before.variants),
      homes: new Table(before.homes),
      services: new Map(before.services),
      fields: new Map(before.fields),
    };
  }

  apply(change: Change): void {
    const retyped = this.applyFields(change);
    this.applyExperiments(change, retyped);
    this.applyLayers(change);
    this.applyServices();
  }

  /** Returns the names of the fields whose type is another one now. */
  private applyFields({ fields = [], deletedFields = [] }: Change): Set<string> {
    const before = this.before.fields;
    const after = this.next.fields;
    for (const name of deletedFields) after.delete(name);
    for (const [i, source] of fields.entries()) after.set(source.name, readField(this.faults, source, i));
    const touched = [...deletedFields, ...fields.map(({ name }) => name)];
    return new Set(touched.filter((name) => before.get(name)?.type !== after.get(name)?.type));
  }

  private applyExperiments({ experiments = [], deletedExperiments = [] }: Change, retyped: ReadonlySet<string>): void {
    for (const eid of deletedExperiments) this.removeExperiment(eid);
    const read: { experiment: Experiment; index: number }[] = [];
    const readOne = (source: ExperimentSource, index: number) => {
      this.removeExperiment(source.eid);
      const experiment = readExperiment(this.faults, this.attributes, this.next.fields, source, index);
      read.push({ experiment, index });
    };
    experiments.forEach(readOne);
    if (retyped.size > 0) {
      const stale = [...this.next.experiments.values()].filter(({ rule }) => rule && usesAny(rule, retyped));
      for (const { source } of stale) readOne(source, -1);
    }
    for (const { experiment, index } of read) this.addExperiment(experiment, index);
  }

  private removeExperiment(eid: number): void {
    const { experiments, variants, homes, layers } = this.next;
    const experiment = experiments.get(eid);
    if (!experiment) return;
    experiments.delete(eid);
    for (const { vid } of experiment.variants) variants.delete(vid);
    const home = homes.get(eid);
    if (home !== undefined) this.moved.set(home, layers.get(home));
  }

  private addExperiment(experiment: Experiment, index: number): void {
    const { experiments, variants } = this.next;
    const report = new Report(this.faults, "experiment", eidText(experiment.eid), index, "id-taken");
    experiments.set(experiment.eid, experiment);
    for (const [i, variant] of experiment.variants.entries()) {
      const other = variants.get(variant.vid);
      if (other) {
        report.fault(`variants[${i}].vid`, `${variant.vid} is taken by experiment ${other.experiment.eid}`);
      } else {
        variants.set(variant.vid, variant);
      }
    }
  }

  private applyLayers({ layers = [], deletedLayers = [] }: Change): void {
    for (const id of deletedLayers) this.moved.set(id, undefined);
    const read = new Map<string, number>();
    for (const [i, source] of layers.entries()) {
      read.set(source.layerId, i);
      this.moved.set(source.layerId, readLayer(this.faults, this.attributes, source, i));
    }
    const ids = [...this.moved.keys()].sort(compareText);
    for (const id of ids) {
      for (const { eid } of this.before.layers.get(id)?.experiments ?? []) {
        if (this.next.homes.get(eid) === id) this.next.homes.delete(eid);
      }
    }
    for (const id of ids) {
      const moved = this.moved.get(id);
      if (!moved) {
        this.next.layers.delete(id);
        continue;
      }
      const index = read.get(id) ?? -1;
      const layer = index < 0 ? moved.unlinked() : moved;
      this.link(layer, new Report(this.faults, "layer", id, index));
      this.moved.set(id, layer);
      this.next.layers.set(id, layer);
    }
  }

  /** Finds the variants of a layer's ranges and cuts the slots into runs. */
  private link(layer: Layer, report: Report): void {
    const own = layer.source.service;
    const services = new Set<string>(own === "" ? [] : [own]);
    const experiments = new Set<Experiment>();
    const linked = new Map<number, Linked>();
    const ends: number[] = [];
    const found: (Linked | undefined)[] = [];
    const run = (end: number, what: Linked | undefined) => {
      ends.push(end);
      found.push(what);
    };
    let at = 0;
    for (const { start, end, vid, index } of layer.ranges) {
      const path = `ranges[${index}].vid`;
      const variant = this.next.variants.get(vid);
      if (!variant) {
        if (vid >= 1) report.as("unknown-variant").fault(path, `${vid} is no variant of any experiment`);
        continue;
      }
      this.settle(layer, variant, path, report);
      services.add(variant.experiment.service);
      experiments.add(variant.experiment);
      let one = linked.get(vid);
      if (!one) linked.set(vid, (one = new Linked(layer, variant)));
      if (start > at) run(start, undefined);
      run(end, one);
      at = end;
    }
    if (at < slots) run(slots, undefined);
    layer.complete({ ends, found, services, experiments });
  }

  /** Makes a layer the one that the experiment of a variant lives in. */
  private settle(layer: Layer, { vid, experiment }: Variant, path: string, report: Report): void {
    const { homes } = this.next;
    const { eid, service } = experiment;
    const own = layer.source.service;
    if (own !== "" && service !== own) {
      const problem = `${vid} belongs to service ${service}, and the layer to service ${own}`;
      report.as("wrong-service").fault(path, problem);
    }
    const home = homes.get(eid) ?? "";
    if (home === "") {
      homes.set(eid, layer.id);
    } else if (home !== layer.id) {
      const problem = `${vid} belongs to experiment ${eid}, which lives in layer ${home} already`;
      report.as("in-two-layers").fault(path, problem);
    }
  }

  /** Puts the moved layers into the lists of their services. */
  private applyServices(): void {
    const touched = new Map<string, Layer[]>();
    for (const [id, layer] of this.moved) {
      for (const name of this.before.layers.get(id)?.services ?? []) {
        if (!touched.has(name)) touched.set(name, []);
      }
      for (const name of layer?.services ?? []) {
        const layers = touched.get(name);
        if (layer && layers) layers.push(layer);
        else if (layer) touched.set(name, [layer]);
      }
    }
    for (const [name, moved] of touched) {
      const stay = this.before.services.get(name)?.layers.filter(({ id }) => !this.moved.has(id)) ?? [];
      const layers = [...stay, ...moved].sort(compareLayers);
      if (layers.length > 0) this.next.services.set(name, new Service(name, layers));
      else this.next.services.delete(name);
    }
  }
}
