package openfeature_test

import (
	"io"
	"testing"

	"github.com/cucumber/godog"
)

const conformance = "../../conformance/openfeature"

// TestSuite runs the scenarios. What is left out, and why, stands in the README
// beside them.
func TestSuite(t *testing.T) {
	t.Parallel()
	for _, feature := range []struct {
		file, tags string
		scenarios  int
	}{
		{"evaluation_v2.feature", "~@reason-codes-cached && ~@metadata", 79},
		{"hooks.feature", "", 3},
	} {
		t.Run(feature.file, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ran := 0
			suite := godog.TestSuite{
				ScenarioInitializer: func(ctx *godog.ScenarioContext) {
					ran++
					w.scenario(ctx)
				},
				Options: &godog.Options{
					Format: "progress", Output: io.Discard, Strict: true, TestingT: t,
					Paths: []string{conformance + "/spec/" + feature.file}, Tags: feature.tags,
				},
			}
			if suite.Run() != 0 {
				t.Error("a scenario has failed")
			}
			if ran != feature.scenarios {
				t.Errorf("%d scenarios ran, want %d", ran, feature.scenarios)
			}
		})
	}
}
