package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/present"
)

func newLint() *cobra.Command {
	var strict bool
	var output outputFormat
	command := &cobra.Command{
		Use:   "lint DIR",
		Short: "Check the configuration in a folder",
		Long: `Check the configuration in a folder: its layers, experiments, fields and services.
No server is asked.

A fault is what a data plane or a control plane refuses, parameters that break the
schema of their service among it; every one is printed. Where there is none,
there may be warnings about what is valid but seldom meant:

  - an experiment that gets no traffic, or a variant of it that gets none
  - a rule on a field that is not declared, a declared field that nothing uses
  - two layers that split the same key by the same salt, and so are not
    independent
  - two layers of the same priority that set the same parameter of a service

Exits with 0 if there are no faults, with 1 if there are. --strict does not let
warnings pass either.`,
		Example: `  strata lint examples/configs
  strata lint examples/configs --strict
  strata lint examples/configs -o json | jq .warnings`,
		Args:              oneFolder,
		ValidArgsFunction: completeFolder,
		RunE: func(command *cobra.Command, args []string) error {
			report, err := lint(args[0])
			if err != nil {
				return err
			}
			if err := report.write(command.OutOrStdout(), output); err != nil {
				return err
			}
			switch {
			case len(report.Faults) > 0:
				return fmt.Errorf("%s has %s", args[0], present.Count(len(report.Faults), "fault"))
			case len(report.Warnings) > 0 && strict:
				return fmt.Errorf("%s has %s, and --strict lets none pass", args[0], present.Count(len(report.Warnings), "warning"))
			default:
				return nil
			}
		},
	}
	command.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	registerOutput(command, &output, asTable, asJSON)
	return command
}

// lintReport is what lint found. Without a configuration that could be read, the
// numbers are 0.
type lintReport struct {
	Faults      []finding `json:"faults"`
	Warnings    []finding `json:"warnings"`
	Layers      int       `json:"layers"`
	Experiments int       `json:"experiments"`
	Variants    int       `json:"variants"`
}

// finding is a manifest.Fault as JSON. All four keys are always there; the line
// is 0 where none is known.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

func findings(faults manifest.Faults) []finding {
	all := make([]finding, len(faults))
	for i, fault := range faults {
		all[i] = finding(fault)
	}
	return all
}

// lint checks a folder. The error is a folder that is none of a configuration;
// faults of the configuration are in the report.
func lint(folder string) (*lintReport, error) {
	report := &lintReport{Faults: []finding{}, Warnings: []finding{}}
	set, err := loadFolder(folder)
	if err == nil {
		report.Layers = len(set.Snapshot.GetLayers())
		report.Experiments = len(set.Snapshot.GetExperiments())
		for _, e := range set.Snapshot.GetExperiments() {
			report.Variants += len(e.GetVariants())
		}
		if _, err = set.Compile(nil, 0); err == nil {
			err = set.CheckSchemas()
		}
	}
	faults, ok := errors.AsType[manifest.Faults](err)
	switch {
	case ok:
		report.Faults = findings(faults)
	case err != nil:
		return nil, err
	default:
		report.Warnings = findings(warnings(set, folder))
	}
	return report, nil
}

func (r *lintReport) write(w io.Writer, format outputFormat) error {
	if format == asJSON {
		return writeJSON(w, r)
	}
	var b strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintln(&b, explain.Printable(manifest.Fault(f).String()))
	}
	for _, f := range r.Warnings {
		// The file first, so that editors and terminals take it for a link.
		rest := manifest.Fault{Path: f.Path, Problem: f.Problem}
		fmt.Fprintln(&b, explain.Printable(f.File+": warning: "+rest.String()))
	}
	if len(r.Faults) == 0 {
		fmt.Fprintf(&b, "%s, %s, %s: no faults", present.Count(r.Layers, "layer"), present.Count(r.Experiments, "experiment"), present.Count(r.Variants, "variant"))
		if len(r.Warnings) > 0 {
			fmt.Fprintf(&b, ", %s", present.Count(len(r.Warnings), "warning"))
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
