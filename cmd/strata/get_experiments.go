package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetExperiments(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	var states []string
	request := &adminv1.ExperimentServiceListRequest{}
	command := &cobra.Command{
		Use:     "experiments [EID]",
		Aliases: []string{"experiment", "exps", "exp"},
		Short:   "List experiments, or show one",
		Long: `List experiments, or show one. Slots in brackets are those that an experiment will
have once it is started or resumed.`,
		Example: `  strata get experiments --service ranker_svc --state running
  strata get experiment 100`,
		Args: atMostOne("an eid"), ValidArgsFunction: completeArgument(c.complete(eids)),
	}
	c.register(command)
	f := command.Flags()
	f.StringVarP(&request.Service, "service", "s", "", "only experiments of this service, by `name`")
	f.StringVarP(&request.LayerId, "layer", "l", "", "only experiments in this layer, by `id`")
	f.StringSliceVar(&states, "state", nil, "only experiments in this `state`: draft, running, paused, concluded or archived; can stand more than once")
	f.StringVar(&request.Owner, "owner", "", "only experiments with this owner, by `name`")
	f.StringVar(&request.Tag, "tag", "", "only experiments with this `tag`")
	f.StringVarP(&request.Query, "query", "q", "", "only the experiment of this eid, or those whose name, description or hypothesis has this `text`")
	registerRevision(command, &request.Revision, "as of which revision; default the newest")
	registerCompletion(command, "service", c.complete(services))
	registerCompletion(command, "layer", c.complete(layerIDs))
	registerCompletion(command, "state", cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp))
	flags.register(command, 0)
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getExperiment(command, args[0], request.GetRevision(), flags.output)
		}
		var err error
		if request.States, err = parseStates(states); err != nil {
			return err
		}
		return s.listExperiments(command, request, flags)
	})
	return command
}

// stateNames returns how people write states.
func stateNames() []string {
	var names []string
	for n := int32(1); adminv1.ExperimentState_name[n] != ""; n++ {
		names = append(names, strings.ToLower(present.State(adminv1.ExperimentState(n))))
	}
	return names
}

func parseStates(texts []string) ([]adminv1.ExperimentState, error) {
	var states []adminv1.ExperimentState
	for _, text := range texts {
		state, ok := adminv1.ExperimentState_value["EXPERIMENT_STATE_"+strings.ToUpper(text)]
		if !ok || state == 0 {
			return nil, fmt.Errorf("--state %q: want some of %s", text, strings.Join(stateNames(), ", "))
		}
		states = append(states, adminv1.ExperimentState(state))
	}
	return states, nil
}

func (s *server) getExperiment(command *cobra.Command, id string, revision int64, output outputFormat) error {
	eid, err := parseID("eid", id)
	if err != nil {
		return err
	}
	response, err := s.experiments.Get(command.Context(),
		&adminv1.ExperimentServiceGetRequest{Environment: s.environment, Eid: eid, Revision: revision})
	if err != nil {
		return err
	}
	e := response.GetExperiment()
	return output.write(command.OutOrStdout(), e, func(out io.Writer) error { return present.Experiment(out, e) })
}

func (s *server) listExperiments(command *cobra.Command, request *adminv1.ExperimentServiceListRequest, flags listFlags) error {
	all := &adminv1.ExperimentServiceListResponse{}
	request.Environment = s.environment
	found, more, err := pages(command.Context(), flags.limit,
		func(ctx context.Context, size int32, token string) ([]*adminv1.Experiment, string, error) {
			request.PageSize, request.PageToken = size, token
			page, err := s.experiments.List(ctx, request)
			all.TotalSize, all.Revision = page.GetTotalSize(), page.GetRevision()
			return page.GetExperiments(), page.GetNextPageToken(), err
		})
	if err != nil {
		return err
	}
	all.Experiments = found
	tellMore(command.ErrOrStderr(), more)
	return flags.output.write(command.OutOrStdout(), all, func(out io.Writer) error { return present.Experiments(out, found) })
}
