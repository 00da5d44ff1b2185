package main

import (
	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/settings"
)

func newApply(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var files fileFlags
	var flags writeFlags
	command := &cobra.Command{
		Use:   "apply -f PATH",
		Short: "Make an environment what files say",
		Long: `Make an environment what files say, as one revision: all of it or nothing.

What the files do not have stays as it is, unless --prune is given. Notes, such
as owners, stay as they are where a file does not have them.

` + writing,
		Example: `  strata apply -f examples/configs -m "first experiments"
  strata apply --env production -f layers/search.yaml --dry-run
  strata export --env staging | strata apply --env production -f - --yes`,
		Args: noArguments,
	}
	files.register(command)
	c.register(command)
	flags.register(command)
	command.RunE = func(command *cobra.Command, _ []string) error {
		return files.with(command, c, func(w *write) error {
			w.writeFlags = flags
			return w.run(command)
		})
	}
	return command
}
