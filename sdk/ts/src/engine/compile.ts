/** Reads what layers, experiments and fields say by themselves. */
import {
  type Experiment as ExperimentSource,
  type Field as FieldSource,
  FieldType,
} from "../gen/strata/config/v1/config_pb.js";
import type { Layer as LayerSource, Range, Variant as VariantSource } from "../gen/strata/config/v1/config_pb.js";
import { slots } from "./bucket.js";
import { type Fault, Report } from "./fault.js";
import type { Attributes } from "./inputs.js";
import { joinPlace, Params, parseParams } from "./params.js";
import { Experiment, type Field, Layer, type SlotRange, type Variant } from "./resources.js";
import { newProgram } from "./rule.js";
import { RuleReader } from "./rulereader.js";
import { Truth } from "./types.js";

/** How many ranges a layer may have. */
const maxRanges = slots;
/** How many variants an experiment may have. */
const maxVariants = 10_000;

/** Returns an eid as the id of a resource: empty for one that can not be. */
export function eidText(eid: number): string {
  return eid < 1 ? "" : String(eid);
}

/** Compiles what a layer says by itself. Its index is the place in the list that it was given in. */
export function readLayer(faults: Fault[], attributes: Attributes, source: LayerSource, index: number): Layer {
  const report = new Report(faults, "layer", source.layerId, index);
  report.name("layer_id", source.layerId);
  report.name("hash_key", source.hashKey);
  report.name("salt", source.salt);
  if (source.service !== "") report.name("service", source.service);
  return Layer.of(source, attributes.of(source.hashKey), readRanges(report, source.ranges));
}

function readRanges(report: Report, sources: readonly Range[]): SlotRange[] {
  if (sources.length > maxRanges) {
    report.fault("ranges", `are ${sources.length}, at most ${maxRanges} are allowed`);
    return [];
  }
  const ranges = sources.map(({ start, end, vid }, index) => {
    if (start < 0 || start >= slots) {
      report.fault(`ranges[${index}].start`, `is ${start}, want 0 to ${slots - 1}`);
    } else if (end <= start || end > slots) {
      report.fault(`ranges[${index}].end`, `is ${end}, want ${start + 1} to ${slots}: start is included, end is not`);
    }
    if (vid < 1) report.fault(`ranges[${index}].vid`, `is ${vid}, want at least 1`);
    return { start, end, vid, index };
  });
  ranges.sort((a, b) => a.start - b.start);
  findOverlaps(report.as("ranges-overlap"), ranges);
  return ranges;
}

function findOverlaps(report: Report, ranges: readonly SlotRange[]): void {
  let widest: SlotRange | undefined;
  for (const range of ranges) {
    const { start, end, index } = range;
    if (widest && start < widest.end && start < end) {
      const other = `ranges[${widest.index}], which has [${widest.start}, ${widest.end})`;
      report.fault(`ranges[${index}]`, `slots [${start}, ${end}) overlap ${other}`);
    }
    if (!widest || end > widest.end) widest = range;
  }
}

/** Compiles what an experiment says by itself, given the declared fields. */
export function readExperiment(
  faults: Fault[],
  attributes: Attributes,
  fields: ReadonlyMap<string, Field>,
  source: ExperimentSource,
  index: number,
): Experiment {
  const report = new Report(faults, "experiment", eidText(source.eid), index);
  if (source.eid < 1) report.fault("eid", `is ${source.eid}, want at least 1`);
  report.name("service", source.service);
  const before = faults.length;
  const reader = new RuleReader(report.as("invalid-rule"), attributes, fields);
  const rule = source.rule && reader.read("rule", source.rule, 1);
  const runs = rule !== undefined && faults.length === before;
  const experiment = new Experiment(source, rule, runs ? newProgram(rule, Truth.TRUE) : true);
  experiment.variants = readVariants(report, experiment, source.variants);
  return experiment;
}

function readVariants(report: Report, experiment: Experiment, sources: readonly VariantSource[]): Variant[] {
  if (sources.length === 0) {
    report.fault("variants", "are missing: want at least one");
  } else if (sources.length > maxVariants) {
    report.fault("variants", `are ${sources.length}, at most ${maxVariants} are allowed`);
    return [];
  }
  return sources.map(({ vid, paramsJson }, i) => {
    if (vid < 1) report.fault(`variants[${i}].vid`, `is ${vid}, want at least 1`);
    const params = parseParams(paramsJson);
    if (params instanceof Params) return { vid, experiment, params };
    for (const { path, problem, reason } of params) {
      report.as(reason).fault(joinPlace(`variants[${i}].params`, path), problem);
    }
    return { vid, experiment, params: new Params() };
  });
}

/** Compiles the declaration of a field. */
export function readField(faults: Fault[], source: FieldSource, index: number): Field {
  const report = new Report(faults, "field", source.name, index);
  report.name("name", source.name);
  if (source.type >= FieldType.STRING && source.type <= FieldType.SEMVER) return { source, type: source.type };
  report.fault("type", "is unknown, want string, int, float, bool or semver");
  return { source, type: FieldType.STRING };
}
