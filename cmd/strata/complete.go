package main

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
)

const (
	// completionTimeout is how long a shell waits for names.
	completionTimeout = time.Second
	// mostCompletions is how many names a shell offers.
	mostCompletions = 1000
)

// completeArgument completes an argument of a command that takes one.
func completeArgument(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(command, args, word)
	}
}

func environmentNames(ctx context.Context, s *server) ([]cobra.Completion, error) {
	response, err := s.environments.List(ctx, &adminv1.EnvironmentServiceListRequest{PageSize: mostCompletions})
	var names []cobra.Completion
	for _, e := range response.GetEnvironments() {
		names = append(names, described(e.GetName(), e.GetDescription()))
	}
	return names, err
}

func layerIDs(ctx context.Context, s *server) ([]cobra.Completion, error) {
	if err := s.chooseEnvironment(ctx); err != nil {
		return nil, err
	}
	response, err := s.layers.List(ctx, &adminv1.LayerServiceListRequest{Environment: s.environment, PageSize: mostCompletions})
	var ids []cobra.Completion
	for _, l := range response.GetLayers() {
		ids = append(ids, described(l.GetLayerId(), l.GetDescription()))
	}
	return ids, err
}

func eids(ctx context.Context, s *server) ([]cobra.Completion, error) {
	all, err := someExperiments(ctx, s)
	var ids []cobra.Completion
	for _, e := range all {
		ids = append(ids, described(strconv.Itoa(int(e.GetEid())), e.GetName()))
	}
	return ids, err
}

func services(ctx context.Context, s *server) ([]cobra.Completion, error) {
	all, err := someExperiments(ctx, s)
	var names []cobra.Completion
	for _, e := range all {
		names = append(names, e.GetService())
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func someExperiments(ctx context.Context, s *server) ([]*adminv1.Experiment, error) {
	if err := s.chooseEnvironment(ctx); err != nil {
		return nil, err
	}
	response, err := s.experiments.List(ctx, &adminv1.ExperimentServiceListRequest{Environment: s.environment, PageSize: mostCompletions})
	return response.GetExperiments(), err
}

// described is a completion with a text that shells show beside it.
func described(name, description string) cobra.Completion {
	if description == "" {
		return name
	}
	return cobra.CompletionWithDesc(name, explain.Printable(description))
}
