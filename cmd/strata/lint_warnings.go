package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
)

// warnings returns what is valid in a configuration that compiles, but seldom
// meant, in the order of files. Lines are not known.
func warnings(set *manifest.Set, folder string) manifest.Faults {
	l := &linter{set: set, snapshot: set.Snapshot}
	l.traffic()
	l.fields(folder)
	l.salts()
	l.ties()
	slices.SortStableFunc(l.found, func(a, b manifest.Fault) int { return cmp.Compare(a.File, b.File) })
	return l.found
}

type linter struct {
	set      *manifest.Set
	snapshot *configv1.Snapshot
	found    manifest.Faults
}

func (l *linter) warn(file, path, problem string, args ...any) {
	l.found = append(l.found, manifest.Fault{File: file, Path: path, Problem: fmt.Sprintf(problem, args...)})
}

// traffic warns of experiments and variants that nobody gets. The ranges of a
// disabled layer count: it is switched off for a while, with all it has.
func (l *linter) traffic() {
	placed := map[int32]bool{}
	for _, layer := range l.snapshot.GetLayers() {
		for _, r := range layer.GetRanges() {
			placed[r.GetVid()] = true
		}
	}
	for i, e := range l.snapshot.GetExperiments() {
		idle := 0
		for _, v := range e.GetVariants() {
			if !placed[v.GetVid()] {
				idle++
			}
		}
		if idle == len(e.GetVariants()) {
			l.warn(l.set.ExperimentFile(i), "", "experiment %d gets no traffic: its variants stand in no layer's ranges", e.GetEid())
			continue
		}
		for j, v := range e.GetVariants() {
			if !placed[v.GetVid()] {
				l.warn(l.set.ExperimentFile(i), fmt.Sprintf("variants[%d]", j),
					"variant %d has no slot, unlike others of experiment %d", v.GetVid(), e.GetEid())
			}
		}
	}
}

// fields warns of fields that rules use and nobody declares, and the other way
// round. A field that layers hash is used, but need not be declared: hashing
// asks for no type.
func (l *linter) fields(folder string) {
	declared, used := map[string]bool{}, map[string]bool{}
	for _, f := range l.snapshot.GetFields() {
		declared[f.GetName()] = true
	}
	for _, layer := range l.snapshot.GetLayers() {
		used[layer.GetHashKey()] = true
	}
	undeclared := map[string]bool{}
	for i, e := range l.snapshot.GetExperiments() {
		told := map[string]bool{}
		conditions(e.GetRule(), "rule", func(path, field string) {
			used[field] = true
			if declared[field] || told[field] {
				return
			}
			told[field], undeclared[field] = true, true
			if l.set.FieldsFile() != "" {
				l.warn(l.set.ExperimentFile(i), path+".field",
					"%s is not declared in %s, so a slip in its name or type goes unseen", field, filepath.Base(l.set.FieldsFile()))
			}
		})
	}
	if l.set.FieldsFile() == "" && len(undeclared) > 0 {
		// Once, where declaring is not the custom.
		l.warn(folder, "", "has no fields.yaml, so a slip in the name or type of a field that rules use goes unseen: %s",
			some(slices.Sorted(maps.Keys(undeclared))))
	}
	for _, f := range l.snapshot.GetFields() {
		if !used[f.GetName()] {
			l.warn(l.set.FieldsFile(), f.GetName(), "is declared, but no rule and no layer uses it")
		}
	}
}

// conditions calls f with the path and the field of each condition of a rule.
func conditions(rule *configv1.Rule, path string, f func(path, field string)) {
	if rule.GetField() != "" {
		f(path, rule.GetField())
	}
	for i, child := range rule.GetChildren() {
		below := fmt.Sprintf("%s.children[%d]", path, i)
		if rule.GetOp() == configv1.Operator_OPERATOR_NOT {
			below = path + ".child"
		}
		conditions(child, below, f)
	}
}

// salts warns of layers that split the same users in the same way. Disabled
// ones split nobody, and may well be predecessors whose split was taken over.
func (l *linter) salts() {
	type split struct{ salt, key string }
	first := map[split]string{}
	for i, layer := range l.snapshot.GetLayers() {
		if !layer.GetEnabled() {
			continue
		}
		s := split{layer.GetSalt(), layer.GetHashKey()}
		if other, ok := first[s]; ok {
			l.warn(l.set.LayerFile(i), "salt",
				"is %q, as in layer %s, which hashes %s too: users fall into the same slots of both, so their experiments are not independent",
				s.salt, other, s.key)
			continue
		}
		first[s] = layer.GetLayerId()
	}
}
