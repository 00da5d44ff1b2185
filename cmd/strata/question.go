package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// question is what eval and explain ask of a folder or a control plane.
type question struct {
	services, layers []string
	context          string
	output           outputFormat
}

func (q *question) register(command *cobra.Command, p *preview) {
	flags := command.Flags()
	flags.StringArrayVarP(&q.services, "service", "s", nil, "`name` of a service to answer for; can stand more than once")
	flags.StringVarP(&q.context, "context", "c", "", "the context, a `JSON` object; @FILE reads it from a file, - from standard input")
	flags.StringArrayVarP(&q.layers, "layer", "l", nil,
		"`id` of a layer that takes part; can stand more than once; default all layers")
	registerOutput(command, &q.output, asTable, asJSON, asYAML)
	registerCompletion(command, "service", completeFrom(servicesOf, p.complete(services)))
	registerCompletion(command, "layer", completeFrom(layersOf, p.complete(layerIDs)))
}

// completeFrom completes a flag with names from the folder, if that stands on
// the command line already, or else from the control plane.
func completeFrom(names func(*manifest.Set) []string, online cobra.CompletionFunc) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return online(command, args, word)
		}
		set, err := loadFolder(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(set), cobra.ShellCompDirectiveNoFileComp
	}
}

// servicesOf returns the services that have an experiment, in order.
func servicesOf(set *manifest.Set) []string {
	var names []string
	for _, e := range set.Snapshot.GetExperiments() {
		names = append(names, e.GetService())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// layersOf returns the ids of the layers, in order.
func layersOf(set *manifest.Set) []string {
	var ids []string
	for _, l := range set.Snapshot.GetLayers() {
		ids = append(ids, l.GetLayerId())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// check checks what is asked, and reads the context.
func (q *question) check(command *cobra.Command) (engine.Context, error) {
	switch {
	case len(q.services) == 0:
		return nil, errors.New("want a service: --service NAME")
	case slices.Contains(q.services, ""):
		return nil, errors.New("--service: want a name, got nothing")
	case !command.Flags().Changed("context"):
		return nil, errors.New(`want a context: --context '{"user_id": "u1"}', --context @FILE, or --context - for standard input`)
	}
	return readContext(q.context, command.InOrStdin())
}

// prepare reads what is needed to answer from a folder. Names that the folder
// does not have are as good as any for an evaluation, but more often a slip than
// meant, so it tells of them.
//
// The configuration is not numbered: revisions are counted by who serves it.
func (q *question) prepare(command *cobra.Command, folder string) (*engine.Ruleset, engine.Context, error) {
	context, err := q.check(command)
	if err != nil {
		return nil, nil, err
	}
	set, err := loadFolder(folder)
	if err != nil {
		return nil, nil, refused(folder, err)
	}
	ruleset, err := set.Compile(nil, 0)
	if err != nil {
		return nil, nil, refused(folder, err)
	}
	tellUnknown(command.ErrOrStderr(), "service", q.services, servicesOf(set))
	tellUnknown(command.ErrOrStderr(), "layer", q.layers, layersOf(set))
	return ruleset, context, nil
}

// refused puts a headline above faults.
func refused(folder string, err error) error {
	if faults, ok := errors.AsType[manifest.Faults](err); ok {
		return fmt.Errorf("%s has %s:\n%w", folder, present.Count(len(faults), "fault"), faults)
	}
	return err
}

func tellUnknown(w io.Writer, what string, names, known []string) {
	for i, name := range names {
		if slices.Contains(known, name) || slices.Contains(names[:i], name) {
			continue
		}
		there := "none"
		if len(known) > 0 {
			there = some(known)
		}
		fmt.Fprintf(w, "strata: note: no %s is called %s; the folder has %s\n", what, explain.Printable(name), there)
	}
}

// some lists the first of many names.
func some(names []string) string {
	const most = 8
	shown := make([]string, 0, most)
	for _, name := range names[:min(most, len(names))] {
		shown = append(shown, explain.Printable(name))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
