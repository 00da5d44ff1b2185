package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/dataplane"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/service"
	"github.com/strata-exp/strata/internal/settings"
)

func newDev(env settings.LookupEnv) *cobra.Command {
	f := newDevFlags(env)
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine, with a demo",
		Long: `Run everything on this machine: a control plane, a data plane that it feeds, and
a demo environment to look at and change.

The database is the one that DATABASE_URL names, else a private PostgreSQL
cluster from the binaries that are installed. Its data stays for the next time,
unless --ephemeral is given. Ctrl-C stops all of it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if _, err := settings.Resolve(command.Flags(), env); err != nil {
				return err
			}
			logger, err := f.log.logger(command.ErrOrStderr())
			if err != nil {
				return err
			}
			return f.run(command.Context(), command.OutOrStdout(), logger)
		},
	}
	f.register(command.Flags())
	return command
}

// devFlags are the settings of everything.
type devFlags struct {
	control     controlplane.Config
	data        dataplane.Config
	dataDir     string
	ephemeral   bool
	environment string
	demo        string
	log         logFlags
	env         settings.LookupEnv
}

func newDevFlags(env settings.LookupEnv) *devFlags {
	f := &devFlags{
		control: controlplane.Default(), data: dataplane.Default(), dataDir: defaultDataDir(), environment: "demo", env: env,
	}
	// What is for one person is not for the network.
	f.control.HTTPAddr, f.control.PushAddr, f.control.MetricsAddr = "127.0.0.1:8082", "127.0.0.1:9091", "127.0.0.1:9092"
	f.data.HTTPAddr, f.data.MetricsAddr = "127.0.0.1:8080", "127.0.0.1:9090"
	f.data.CORSOrigins = []string{"http://localhost:*", "http://127.0.0.1:*"} // pages that are worked on here
	return f
}

// defaultDataDir is where data of a user's own programs belongs. The database
// does not run as root, and so can not be below root's home.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/strata"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "strata")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "strata")
	}
	return filepath.Join(home, ".local", "share", "strata")
}

func (f *devFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.control.DatabaseURL, "database-url", "", "`URL` of a PostgreSQL database to use instead of a private one (also DATABASE_URL)")
	flags.StringVar(&f.dataDir, "data-dir", f.dataDir, "`folder` of the private database")
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "use a private database that is deleted at the end")
	flags.StringVar(&f.environment, "env", f.environment, "`name` of the environment to serve, which is made if it is not there")
	flags.StringVar(&f.demo, "demo", "", "`folder` of what a new environment begins with; default the examples")
	flags.StringVar(&f.control.HTTPAddr, "admin-addr", f.control.HTTPAddr, "where to serve the admin API")
	flags.StringVar(&f.control.PushAddr, "push-addr", f.control.PushAddr, "where to serve the config stream")
	flags.StringVar(&f.control.MetricsAddr, "admin-metrics-addr", f.control.MetricsAddr, "where to serve the control plane's metrics")
	flags.StringVar(&f.data.HTTPAddr, "http-addr", f.data.HTTPAddr, "where to serve evaluations")
	flags.StringVar(&f.data.MetricsAddr, "metrics-addr", f.data.MetricsAddr, "where to serve the data plane's metrics")
	f.log.register(flags, obs.FormatText)
	f.log.level = "warn"
	flags.Lookup("log-level").DefValue = f.log.level
	flags.String(settings.FileFlag, "", "YAML file of settings")
	settings.Alias(flags, "database-url", "DATABASE_URL")
	settings.Secret(flags, "database-url")
}

// inDevFlags makes an error of a control plane speak of the flags of this command.
func inDevFlags(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.NewReplacer("--http-addr", "--admin-addr", "--metrics-addr", "--admin-metrics-addr").Replace(err.Error()))
}

// devGrace is how long everything may take to stop.
const devGrace = 30 * time.Second

// run runs everything until ctx ends. What is started later is stopped earlier.
func (f *devFlags) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	began := time.Now()
	var parts []service.Part
	control, data := f.control, f.data
	where := "the database of DATABASE_URL"
	if control.DatabaseURL == "" {
		database, err := f.startDatabase(ctx, log)
		if err != nil {
			return err
		}
		parts = append(parts, database.part()) //nolint:contextcheck // see nested
		control.DatabaseURL, control.AllowUnsafeDatabase, where = database.url, f.ephemeral, database.dir
	}
	control.Log, control.Version, data.Log, data.Version = log, version(), log, version()

	keys := &devKeys{databaseURL: control.DatabaseURL, env: f.env}
	listening, ready := make(chan controlplane.Listening, 1), make(chan struct{})
	control.OnListening = func(l controlplane.Listening) { listening <- l }
	var served dataplane.Addresses
	data.OnListening = func(a dataplane.Addresses) { served = a }
	data.OnReady = func() { close(ready) }
	var admin controlplane.Listening
	//nolint:contextcheck // see nested
	parts = append(
		parts,
		nested("control plane", func(ctx context.Context) error {
			if err := keys.first(ctx, "http://"+control.HTTPAddr); err != nil {
				return unlessOver(ctx, fmt.Errorf("the access key: %w", err))
			}
			return inDevFlags(controlplane.Run(ctx, control))
		}),
		nested("data plane", func(ctx context.Context) error {
			var ok bool
			if admin, ok = receive(ctx, listening); !ok {
				return nil
			}
			if err := keys.complete(ctx, admin); err != nil {
				return unlessOver(ctx, fmt.Errorf("the access keys: %w", err))
			}
			if err := f.seed(ctx, keys.connection(f.environment)); err != nil {
				return unlessOver(ctx, fmt.Errorf("the demo: %w", err))
			}
			data.Source, data.Environment = dataplane.SourceStream, f.environment
			data.Stream.URL = "http://" + admin.Push.String()
			data.Stream.AccessKey, data.Stream.SecretKey = keys.plane.AccessKey(), keys.plane.SecretKey()
			return unlessOver(ctx, dataplane.Run(ctx, data))
		}),
		nested("greeting", func(ctx context.Context) error {
			select {
			case <-ready:
			case <-ctx.Done():
				return nil
			}
			return unlessOver(ctx, f.greet(ctx, out, greeting{
				keys: keys, admin: admin, data: served, where: where, took: time.Since(began),
			}))
		}),
	)
	return service.Run(ctx, devGrace, parts...)
}

// receive waits for a value; ok is false if ctx ends first.
func receive[T any](ctx context.Context, c <-chan T) (value T, ok bool) {
	select {
	case value := <-c:
		return value, true
	case <-ctx.Done():
		return value, false
	}
}

// unlessOver returns an error unless ctx has ended, which is then its cause.
func unlessOver(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// nested makes a part of something that runs until its context ends and then
// stops by itself. If it ends before, everything ends. Its context is its own, as
// a part's ends only when all parts were told to stop.
func nested(name string, run func(context.Context) error) service.Part {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	return service.Part{
		Name: name,
		Run: func(context.Context) error {
			defer close(ended)
			return run(ctx)
		},
		Stop: func(stopping context.Context) error {
			cancel()
			select {
			case <-ended:
				return nil
			case <-stopping.Done():
				return errors.New("does not stop")
			}
		},
	}
}
