package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

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
	part := &cobra.Command{
		Use:   "dataplane",
		Short: "Print the settings that \"strata dataplane\" would run with",
		Long: `Print the settings that "strata dataplane" would run with, given the same flags,
environment and files. Secrets print as ***.`,
		Args: cobra.NoArgs,
	}
	f := dataplaneFlags{config: dataplane.Default()}
	f.register(part.Flags())
	output := part.Flags().StringP("output", "o", "table", "how to print: table or json")
	part.RunE = func(command *cobra.Command, _ []string) error {
		all, err := settings.Resolve(command.Flags(), env, "output")
		if err != nil {
			return err
		}
		switch *output {
		case "table":
			return settings.Print(command.OutOrStdout(), all)
		case "json":
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(all)
		default:
			return fmt.Errorf("--output %q: want table or json", *output)
		}
	}
	printing.AddCommand(part)
	command.AddCommand(printing)
	return command
}
