package main

import (
	"errors"
	"fmt"
	"io"
	"os"

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
		Long: `Serve evaluations of a configuration, and follow it as it changes: from files,
from the config stream of a control plane or of another data plane, from etcd or
from Consul. What could not be loaded changes nothing: what was served before
goes on being served.

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
	config        dataplane.Config
	secretKeyFile string
	log           logFlags
}

func (f *dataplaneFlags) register(flags *pflag.FlagSet) {
	c := &f.config
	flags.StringVar(&c.HTTPAddr, "http-addr", c.HTTPAddr, "where to serve evaluations")
	flags.StringVar(&c.MetricsAddr, "metrics-addr", c.MetricsAddr, "where to serve /metrics, /healthz and /readyz")
	flags.StringVar(&c.Environment, "environment", c.Environment, "`name` of the environment that is served")
	flags.StringVar((*string)(&c.Source), "source", string(c.Source), "where configurations come from: files, stream, etcd or consul")
	f.registerFiles(flags)
	f.registerStream(flags)
	f.registerEtcd(flags)
	f.registerConsul(flags)
	f.registerRelay(flags)
	flags.StringVar(&c.OFREPTargetingKey, "ofrep-targeting-key", c.OFREPTargetingKey,
		"`name` of the context attribute that OpenFeature's targetingKey stands for where it is absent")
	flags.StringSliceVar(&c.CORSOrigins, "cors-origin", c.CORSOrigins,
		"`origin` whose pages may call from a browser, such as https://app.example.com or http://localhost:*; may be repeated; * is all")
	flags.DurationVar(&c.DrainDelay, "drain-delay", c.DrainDelay, "how long to serve on, not ready, after a signal to stop")
	flags.DurationVar(&c.StopTimeout, "stop-timeout", c.StopTimeout, "how long requests under way may then take")
	f.log.register(flags, obs.FormatJSON)
	flags.String(settings.FileFlag, "", "YAML file of settings")
}

func (f *dataplaneFlags) registerRelay(flags *pflag.FlagSet) {
	c := &f.config.Relay
	flags.StringVar(&c.Audience, "audience", c.Audience, "`name` that those sign for who follow this data plane")
	flags.StringVar(&c.KeysFile, "keys-file", c.KeysFile, "`file` of the public keys of those who may follow, for sources that bring none")
	flags.DurationVar(&c.Heartbeat, "heartbeat", c.Heartbeat, "how long a stream to a follower may be silent")
	flags.DurationVar(&c.MaxStreamAge, "max-stream-age", c.MaxStreamAge, "about how long a stream may live before its follower has to come anew")
}

// complete makes the configuration of what the flags say.
func (f *dataplaneFlags) complete(log io.Writer) (dataplane.Config, error) {
	logger, err := f.log.logger(log)
	config := f.config
	config.Log, config.Version = logger, version()
	if f.secretKeyFile != "" && config.Stream.SecretKey == "" {
		secret, fault := os.ReadFile(f.secretKeyFile)
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("--secret-key-file: %w", fault))
		}
		config.Stream.SecretKey = string(secret)
	}
	return config, err
}
