package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

// life is a command that changes where an experiment is in its life.
type life struct {
	*connection
	writeFlags
	// verb is what it does, as in "Start experiment 100 of production?".
	verb string
}

// register completes a command that takes an eid. send sends the change.
func (l *life) register(
	env settings.LookupEnv, command *cobra.Command, send func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error),
) {
	l.connection = newConnection(env).asAuthor()
	command.Long += "\n\n" + writing
	command.Args = one("an eid")
	l.connection.register(command)
	l.writeFlags.register(command)
	command.ValidArgsFunction = completeArgument(l.complete(eids))
	command.RunE = l.in(func(command *cobra.Command, s *server, args []string) error {
		eid, err := parseID("eid", args[0])
		if err != nil {
			return err
		}
		w := &write{
			writeFlags: l.writeFlags, server: s, done: newState,
			question: fmt.Sprintf("%s experiment %d of %s?", l.verb, eid, s.environment),
			send:     func(ctx context.Context, a attempt) (outcome, error) { return send(ctx, s, eid, a) },
		}
		return w.run(command)
	})
}

func newState(made outcome) string {
	with, ok := made.(interface{ GetExperiment() *adminv1.Experiment })
	if !ok {
		return ""
	}
	e := with.GetExperiment()
	return fmt.Sprintf("experiment %d is %s", e.GetEid(), present.State(e.GetState()))
}
