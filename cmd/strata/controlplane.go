package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/settings"
)

func newControlplane(env settings.LookupEnv) *cobra.Command {
	f := controlplaneFlags{config: controlplane.Default()}
	command := &cobra.Command{
		Use:   "controlplane",
		Short: "Serve the admin API and the config stream from a PostgreSQL database",
		Long: `Serve the admin API, and the config stream that data planes follow, from a
PostgreSQL database, which is migrated first. Any number of control planes may
work on one database.

Callers sign with access keys. "strata keys bootstrap" makes the first one.

Each flag is also an environment variable (--database-url is
STRATA_DATABASE_URL) and a key of the YAML file that --config names
(database_url). A flag counts before the environment, the environment before the
file. "strata config print controlplane" shows what comes of it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if _, err := settings.Resolve(command.Flags(), env); err != nil {
				return err
			}
			config, err := f.complete(command.ErrOrStderr())
			if err != nil {
				return err
			}
			return controlplane.Run(command.Context(), config)
		},
	}
	f.register(command.Flags())
	return command
}

// controlplaneFlags are the settings of a control plane and of its process.
type controlplaneFlags struct {
	config controlplane.Config
	log    logFlags
}

func (f *controlplaneFlags) register(flags *pflag.FlagSet) {
	c := &f.config
	flags.StringVar(&c.DatabaseURL, "database-url", c.DatabaseURL, "`URL` of the PostgreSQL database (also DATABASE_URL)")
	flags.BoolVar(&c.AllowUnsafeDatabase, "allow-unsafe-database", c.AllowUnsafeDatabase,
		"use a database with fsync off, which may lose what was committed")
	flags.StringVar(&c.HTTPAddr, "http-addr", c.HTTPAddr, "where to serve the admin API")
	flags.StringVar(&c.Audience, "audience", c.Audience, "`name` that callers sign for, the same for all control planes of the database")
	flags.StringVar(&c.PushAddr, "push-addr", c.PushAddr, "where to serve the config stream to data planes and SDKs")
	flags.DurationVar(&c.Heartbeat, "heartbeat", c.Heartbeat, "how long a stream may be silent")
	flags.DurationVar(&c.MaxStreamAge, "max-stream-age", c.MaxStreamAge, "about how long a stream may live before its follower has to come anew")
	flags.StringVar(&c.MetricsAddr, "metrics-addr", c.MetricsAddr, "where to serve /metrics, /healthz and /readyz")
	flags.DurationVar(&c.DrainDelay, "drain-delay", c.DrainDelay, "how long to serve on, not ready, after a signal to stop")
	flags.DurationVar(&c.StopTimeout, "stop-timeout", c.StopTimeout, "how long requests under way may then take")
	f.log.register(flags, obs.FormatJSON)
	flags.String(settings.FileFlag, "", "YAML file of settings")
	settings.Alias(flags, "database-url", "DATABASE_URL")
	settings.Secret(flags, "database-url")
}

// complete makes the configuration of what the flags say.
func (f *controlplaneFlags) complete(log io.Writer) (controlplane.Config, error) {
	logger, err := f.log.logger(log)
	config := f.config
	config.Log, config.Version = logger, version()
	return config, err
}

// logFlags are what a process logs, and how.
type logFlags struct{ level, format string }

func (f *logFlags) register(flags *pflag.FlagSet, format obs.Format) {
	flags.StringVar(&f.level, "log-level", "info",
		"what to log: debug, info, warn, error or off, also for one package as in info,source=debug (also RUST_LOG)")
	flags.StringVar(&f.format, "log-format", string(format), "how to log: json or text")
	settings.Alias(flags, "log-level", "RUST_LOG")
}

func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	levels, err := obs.ParseLevels(f.level)
	if err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	logger, err := obs.NewLogger(w, obs.Format(f.format), levels)
	if err != nil {
		return nil, fmt.Errorf("--log-format: %w", err)
	}
	return logger, nil
}
