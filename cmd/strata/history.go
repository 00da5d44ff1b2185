package main

import (
	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/settings"
)

// newHistory is "get revisions" by the name that people look for.
func newHistory(env settings.LookupEnv) *cobra.Command {
	command := newGetRevisions(env)
	command.Use, command.Aliases = "history [REVISION]", nil
	return command
}
