package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/dataplane"
	"github.com/strata-exp/strata/internal/settings"
)

func newConfig(env settings.LookupEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Look at settings",
	}
	printing := &cobra.Command{
		Use:   "print",
		Short: "Print the settings of a part and where each came from",
	}
	data, control, whole := dataplaneFlags{config: dataplane.Default()}, controlplaneFlags{config: controlplane.Default()}, newDevFlags(env)
	printing.AddCommand(
		newConfigPrint(env, "dataplane", data.register),
		newConfigPrint(env, "controlplane", control.register),
		newConfigPrint(env, "dev", whole.register),
	)
	command.AddCommand(printing)
	return command
}

func newConfigPrint(env settings.LookupEnv, part string, register func(*pflag.FlagSet)) *cobra.Command {
	command := &cobra.Command{
		Use:   part,
		Short: fmt.Sprintf("Print the settings that \"strata %s\" would run with", part),
		Long: fmt.Sprintf(`Print the settings that "strata %s" would run with, given the same flags,
environment and files. Secrets print as ***.`, part),
		Args: cobra.NoArgs,
	}
	register(command.Flags())
	output := command.Flags().StringP("output", "o", "table", "how to print: table or json")
	command.RunE = func(command *cobra.Command, _ []string) error {
		all, err := settings.Resolve(command.Flags(), env, "output")
		if err != nil {
			return err
		}
		switch *output {
		case "table":
			return settings.Print(command.OutOrStdout(), all)
		case "json":
			return writeJSON(command.OutOrStdout(), all)
		default:
			return fmt.Errorf("--output %q: want table or json", *output)
		}
	}
	return command
}
