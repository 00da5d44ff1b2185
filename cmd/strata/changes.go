package main

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
)

// changeset is what files say, as changes.
type changeset struct {
	changes []*adminv1.Change
	sources []source // of the changes
	sets    []*manifest.Set
	// base is the revision that removals were found in, nil if there are none.
	base *int64
}

// source is where a change comes from.
type source struct {
	file string // "" for what is in no file
	what string // the resource
}

// readChanges reads files, folders, and - for standard input. The error is
// manifest.Faults if they are at fault.
func readChanges(paths []string, stdin io.Reader) (*changeset, error) {
	if first := slices.Index(paths, "-"); first >= 0 && slices.Contains(paths[first+1:], "-") {
		return nil, errors.New("--file -: standard input can be read only once")
	}
	c := &changeset{}
	var faults manifest.Faults
	for _, path := range paths {
		set, err := manifest.Read(path, stdin)
		if found, ok := errors.AsType[manifest.Faults](err); ok {
			faults = append(faults, found...)
			continue
		}
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, set)
		c.addSet(set)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return c, nil
}

func (c *changeset) add(file, what string, change *adminv1.Change) {
	c.changes = append(c.changes, change)
	c.sources = append(c.sources, source{file, what})
}

func (c *changeset) addSet(set *manifest.Set) {
	for _, f := range set.Snapshot.GetFields() {
		c.add(set.FieldsFile(), "field "+f.GetName(), &adminv1.Change{Change: &adminv1.Change_UpsertField{UpsertField: f}})
	}
	for i, service := range set.Services {
		c.add(set.ServiceFile(i), "service "+service.Name, upsertService(service, set.ServiceNotes(i)))
	}
	for i, e := range set.Snapshot.GetExperiments() {
		c.add(set.ExperimentFile(i), "experiment "+strconv.Itoa(int(e.GetEid())), upsertExperiment(e, set.ExperimentNotes(i)))
	}
	for i, l := range set.Snapshot.GetLayers() {
		c.add(set.LayerFile(i), "layer "+l.GetLayerId(), upsertLayer(l, set.LayerNotes(i)))
	}
}

// upsertLayer replaces what a file says of a layer: all that is served, and those
// notes that are there.
func upsertLayer(l *configv1.Layer, notes manifest.Notes) *adminv1.Change {
	layer := &adminv1.Layer{
		LayerId: l.GetLayerId(), Version: l.GetVersion(), Priority: l.GetPriority(), HashKey: l.GetHashKey(),
		Salt: l.GetSalt(), Enabled: new(l.GetEnabled()), Ranges: l.GetRanges(), Service: l.GetService(),
		Description: noteText(notes.Description), Owners: notes.Owners, Tags: notes.Tags,
	}
	mask := append([]string{"version", "priority", "hash_key", "salt", "enabled", "ranges", "service"}, presentNotes(notes)...)
	return &adminv1.Change{
		Change:     &adminv1.Change_UpsertLayer{UpsertLayer: layer},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
	}
}

// upsertExperiment is upsertLayer for an experiment.
func upsertExperiment(e *configv1.Experiment, notes manifest.Notes) *adminv1.Change {
	experiment := &adminv1.Experiment{
		Eid: e.GetEid(), Service: e.GetService(), Rule: e.GetRule(), Variants: e.GetVariants(),
		Name: noteText(notes.Name), Description: noteText(notes.Description), Hypothesis: noteText(notes.Hypothesis),
		Owners: notes.Owners, Tags: notes.Tags,
	}
	return &adminv1.Change{
		Change:     &adminv1.Change_UpsertExperiment{UpsertExperiment: experiment},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: append([]string{"service", "rule", "variants"}, presentNotes(notes)...)},
	}
}

// upsertService is upsertLayer for a declared service.
func upsertService(s *manifest.Service, notes manifest.Notes) *adminv1.Change {
	service := &adminv1.Service{
		Service: s.Name, SchemaJson: s.SchemaJSON,
		Description: noteText(notes.Description), Owners: notes.Owners, Tags: notes.Tags,
	}
	return &adminv1.Change{
		Change:     &adminv1.Change_UpsertService{UpsertService: service},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: append([]string{"schema_json"}, presentNotes(notes)...)},
	}
}

func noteText(note *string) string {
	if note == nil {
		return ""
	}
	return *note
}

// presentNotes names the notes that are there, empty or not.
func presentNotes(notes manifest.Notes) []string {
	var names []string
	for _, note := range []struct {
		name  string
		there bool
	}{
		{"name", notes.Name != nil},
		{"description", notes.Description != nil},
		{"hypothesis", notes.Hypothesis != nil},
		{"owners", notes.Owners != nil},
		{"tags", notes.Tags != nil},
	} {
		if note.there {
			names = append(names, note.name)
		}
	}
	return names
}

// prune adds the removal of what is in an environment and not in the files.
func (c *changeset) prune(contents *adminv1.Contents) {
	const why = ", which --prune removes"
	in := map[string]bool{}
	for _, s := range c.sources {
		in[s.what] = true
	}
	remove := func(what string, change *adminv1.Change) {
		if !in[what] {
			c.add("", what+why, change)
		}
	}
	for _, l := range contents.GetLayers() {
		remove("layer "+l.GetLayerId(), &adminv1.Change{Change: &adminv1.Change_DeleteLayer{DeleteLayer: l.GetLayerId()}})
	}
	for _, e := range contents.GetExperiments() {
		remove("experiment "+strconv.Itoa(int(e.GetEid())),
			&adminv1.Change{Change: &adminv1.Change_DeleteExperiment{DeleteExperiment: e.GetEid()}})
	}
	for _, f := range contents.GetFields() {
		remove("field "+f.GetName(), &adminv1.Change{Change: &adminv1.Change_DeleteField{DeleteField: f.GetName()}})
	}
	for _, s := range contents.GetServices() {
		remove("service "+s.GetService(), &adminv1.Change{Change: &adminv1.Change_DeleteService{DeleteService: s.GetService()}})
	}
}

// ranges returns the ranges that the files give to layers.
func (c *changeset) ranges() map[string][]*configv1.Range {
	ranges := map[string][]*configv1.Range{}
	for _, set := range c.sets {
		for _, l := range set.Snapshot.GetLayers() {
			if l.GetEnabled() {
				ranges[l.GetLayerId()] = l.GetRanges()
			}
		}
	}
	return ranges
}

// changePath is the path of a violation that is within a change.
var changePath = regexp.MustCompile(`^changes\[([0-9]+)\](?:\.(?:upsert|delete)_(?:layer|experiment|field|service))?\.?(.*)$`)

// locator returns a function that says in words of files where a violation is,
// to be called once for each. What the files alone suffice to find is found in
// them again, for the line.
func (c *changeset) locator() func(*errdetails.BadRequest_FieldViolation) string {
	var local manifest.Faults
	for _, set := range c.sets {
		_, err := set.Compile(nil, 0)
		if err == nil {
			err = set.CheckSchemas()
		}
		if faults, ok := errors.AsType[manifest.Faults](err); ok {
			local = append(local, faults...)
		}
	}
	return func(v *errdetails.BadRequest_FieldViolation) string {
		match := changePath.FindStringSubmatch(v.GetField())
		if match == nil {
			return v.GetField()
		}
		index, err := strconv.Atoi(match[1])
		if err != nil || index >= len(c.sources) {
			return v.GetField()
		}
		from := c.sources[index]
		for i, fault := range local {
			if fault.File == from.file && fault.Line > 0 && fault.Problem == v.GetDescription() && strings.HasSuffix(fault.Path, match[2]) {
				local = slices.Delete(local, i, i+1)
				return colons(from.file+":"+strconv.Itoa(fault.Line), from.what, match[2])
			}
		}
		return colons(from.file, from.what, match[2])
	}
}

// colons joins those of the parts that are not empty.
func colons(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
}
