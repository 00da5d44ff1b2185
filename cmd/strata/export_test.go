package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// TestExportAppliesAsItIs sends what was exported back, and compares it with
// what the plane has.
func TestExportAppliesAsItIs(t *testing.T) {
	t.Parallel()
	source := stocked(t)
	dir := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{{"export"}, {"export", "-o", "json"}, {"export", dir}} {
		code, bundle, stderr := source.run(t, "", args...)
		if code != 0 {
			t.Fatal(stderr)
		}
		from := "-"
		if bundle == "" {
			from = dir
		}
		target, applied := planner(t, noChange())
		if code, stdout, stderr := target.run(t, bundle, "apply", "-f", from); code != 0 || !strings.Contains(stdout, "no changes") {
			t.Fatal(stdout, stderr)
		}
		compareApplied(t, (*applied)[0].GetChanges())
	}
}

// compareApplied compares changes with the samples, as far as their masks go.
func compareApplied(t *testing.T, changes []*adminv1.Change) {
	t.Helper()
	there := map[string]proto.Message{}
	for _, l := range sampleLayers() {
		there[l.GetLayerId()] = l
	}
	for _, e := range sampleExperiments() {
		there[decimal(e.GetEid())] = e
	}
	for _, s := range sampleServices() {
		there["service "+s.GetService()] = s
	}
	for _, c := range changes {
		var got proto.Message = c.GetUpsertLayer()
		id := c.GetUpsertLayer().GetLayerId()
		if e := c.GetUpsertExperiment(); e != nil {
			got, id = e, decimal(e.GetEid())
		}
		if s := c.GetUpsertService(); s != nil {
			got, id = s, "service "+s.GetService()
		}
		want, ok := there[id]
		if !ok {
			t.Fatalf("%s is not there", id)
		}
		delete(there, id)
		fields := got.ProtoReflect().Descriptor().Fields()
		for _, name := range c.GetUpdateMask().GetPaths() {
			field := fields.ByTextName(name)
			if a, b := got.ProtoReflect().Get(field), want.ProtoReflect().Get(field); !a.Equal(b) {
				t.Errorf("%s: %s is %v, want %v", id, name, a, b)
			}
		}
	}
	if len(there) > 0 {
		t.Errorf("left out: %v", there)
	}
}

func TestExportToAFolder(t *testing.T) {
	t.Parallel()
	p := stocked(t)
	dir := t.TempDir()
	stale := writeFile(t, dir, "layers/old.yaml", "{layer_id: old, priority: 1, hash_key: k, salt: s, ranges: []}")
	code, stdout, stderr := p.run(t, "", "export", dir)
	if code != 0 || stdout != "" || !strings.Contains(stderr, "wrote "+filepath.Join(dir, "layers/ranker_model.yaml")) ||
		!strings.Contains(stderr, "stale, which --prune removes: "+stale) {
		t.Fatalf("exit code %d, %s%s", code, stdout, stderr)
	}
	code, _, stderr = p.run(t, "", "export", dir, "--prune")
	if code != 0 || strings.Contains(stderr, "wrote") || !strings.Contains(stderr, "removed "+stale) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Error(err)
	}
}
