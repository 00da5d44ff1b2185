package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newPlan(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var files fileFlags
	var output outputFormat
	command := &cobra.Command{
		Use:   "plan -f PATH",
		Short: "Show what applying files would do",
		Long: `Show what applying files would do to an environment: which resources change, who
moves in each layer, which parameters have another value, which layers write the
same parameter, and what to beware of. Nothing is changed.

What the files do not have stays as it is, unless --prune is given. Notes, such
as owners, stay as they are where a file does not have them.

With -o json or yaml it is the Plan message.

` + exitCodes,
		Example: `  strata plan -f examples/configs
  strata plan --env production -f layers/search.yaml -f experiments/100.yaml
  strata export --env staging | strata plan --env production --prune -f -`,
		Args: noArguments,
	}
	files.register(command)
	c.register(command)
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.RunE = func(command *cobra.Command, _ []string) error { return files.showPlan(command, c, output) }
	return command
}

// fileFlags say which files are planned or applied.
type fileFlags struct {
	paths []string
	prune bool
}

func (f *fileFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.paths, "file", "f", nil,
		"`path` of a file or of a folder with layers/, experiments/, services/ and fields.yaml, or - for standard input; can stand more than once")
	flags.BoolVar(&f.prune, "prune", false, "also remove what the environment has and the files do not")
}

// noArguments refuses what a shell makes of -f *.yaml.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if command.Flags().Lookup("file") != nil {
		return fmt.Errorf("what to do with %q? Each file has its own -f, or name the folder", args[0])
	}
	return fmt.Errorf("want no arguments, got %q: %s", args[0], command.UseLine())
}

// showPlan plans, shows the plan, and tells by its error whether it changes
// anything.
func (f *fileFlags) showPlan(command *cobra.Command, c *connection, output outputFormat) error {
	return f.with(command, c, func(w *write) error {
		planned, err := w.plan(command.Context())
		if err != nil {
			return err
		}
		plan := planned.GetPlan()
		err = output.write(command.OutOrStdout(), plan, func(out io.Writer) error { return w.show(out, plan) })
		if err == nil && present.Changes(plan) {
			return exitChanges
		}
		return err
	})
}

// with reads the files and calls do with the change that they are. What is wrong
// with the files needs no control plane to be told.
func (f *fileFlags) with(command *cobra.Command, c *connection, do func(*write) error) error {
	if len(f.paths) == 0 {
		return errors.New("want a file or folder: -f PATH, or -f - for standard input")
	}
	changes, err := readChanges(f.paths, command.InOrStdin())
	if err != nil {
		return refused("what -f names", err)
	}
	return c.in(func(command *cobra.Command, s *server, _ []string) error {
		if f.prune {
			if err := changes.pruneAll(command.Context(), s); err != nil {
				return err
			}
		}
		return do(&write{
			server: s, locate: changes.locator, added: changes.ranges(),
			question: fmt.Sprintf("Apply this to %s?", s.environment),
			send: func(ctx context.Context, a attempt) (outcome, error) {
				return s.apply(ctx, changes, a)
			},
		})
	})(command, nil)
}

// pruneAll adds the removal of what the environment has now and the files do
// not.
func (c *changeset) pruneAll(ctx context.Context, s *server) error {
	if len(c.changes) == 0 {
		return errors.New("--prune: the files have nothing at all, and all would be removed: that is more likely the wrong folder")
	}
	response, err := s.revisions.Get(ctx, &adminv1.RevisionServiceGetRequest{Environment: s.environment, WithContents: true})
	if err != nil {
		return err
	}
	c.prune(response.GetContents())
	c.base = new(response.GetRevision().GetRevision())
	return nil
}

// apply sends changes. Without any, which the control plane would refuse, it
// answers itself that nothing changes.
func (s *server) apply(ctx context.Context, c *changeset, a attempt) (*adminv1.RevisionServiceApplyResponse, error) {
	if len(c.changes) > 0 {
		if a.expectedRevision == nil {
			a.expectedRevision = c.base
		}
		return s.revisions.Apply(ctx, &adminv1.RevisionServiceApplyRequest{
			Environment: s.environment, Changes: c.changes, ExpectedRevision: a.expectedRevision,
			ExpectedChecksum: a.expectedChecksum, ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, Message: a.message,
		})
	}
	response, err := s.environments.Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: s.environment})
	if err != nil {
		return nil, err
	}
	e := response.GetEnvironment()
	return &adminv1.RevisionServiceApplyResponse{Revision: e.GetRevision(), Plan: &adminv1.Plan{
		BaseRevision: e.GetRevision(), BaseChecksum: e.GetChecksum(), Checksum: e.GetChecksum(),
	}}, nil
}
