package main

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/dataplane"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/settings"
)

func newDataplane(env settings.LookupEnv) *cobra.Command {
	f := dataplaneFlags{config: dataplane.Default()}
	command := &cobra.Command{
		Use:   "dataplane",
		Short: "Serve evaluations of a configuration",
		Long: `Serve evaluations of a configuration that is read from files and followed as
they change.

Each flag is also an environment variable (--http-addr is STRATA_HTTP_ADDR) and
a key of the YAML file that --config names (http_addr). A flag counts before the
environment, the environment before the file. "strata config print dataplane"
shows what comes of it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if _, err := settings.Resolve(command.Flags(), env); err != nil {
				return err
			}
			config, err := f.complete(command.ErrOrStderr())
			if err != nil {
				return err
			}
			return dataplane.Run(command.Context(), config)
		},
	}
	f.register(command.Flags())
	return command
}

// dataplaneFlags are the settings of a data plane and of its process.
type dataplaneFlags struct {
	config dataplane.Config
	log    logFlags
}

func (f *dataplaneFlags) register(flags *pflag.FlagSet) {
	c := &f.config
	flags.StringVar(&c.HTTPAddr, "http-addr", c.HTTPAddr, "where to serve evaluations")
	flags.StringVar(&c.MetricsAddr, "metrics-addr", c.MetricsAddr, "where to serve /metrics, /healthz and /readyz")
	flags.StringVar(&c.LayersDir, "layers-dir", c.LayersDir, "folder of the layers (also LAYERS_DIR)")
	flags.StringVar(&c.ExperimentsDir, "experiments-dir", c.ExperimentsDir, "folder of the experiments (also EXPERIMENTS_DIR)")
	flags.StringVar(&c.FieldsFile, "fields-file", c.FieldsFile,
		"file of the declared context fields (also FIELDS_FILE); default fields.json, .yaml or .yml beside the folder of layers")
	flags.DurationVar(&c.DrainDelay, "drain-delay", c.DrainDelay, "how long to serve on, not ready, after a signal to stop")
	flags.DurationVar(&c.StopTimeout, "stop-timeout", c.StopTimeout, "how long requests under way may then take")
	f.log.register(flags, obs.FormatJSON)
	flags.String(settings.FileFlag, "", "YAML file of settings")
	settings.Alias(flags, "layers-dir", "LAYERS_DIR")
	settings.Alias(flags, "experiments-dir", "EXPERIMENTS_DIR")
	settings.Alias(flags, "fields-file", "FIELDS_FILE")
}

// complete makes the configuration of what the flags say.
func (f *dataplaneFlags) complete(log io.Writer) (dataplane.Config, error) {
	logger, err := f.log.logger(log)
	config := f.config
	config.Log, config.Version = logger, version()
	return config, err
}
