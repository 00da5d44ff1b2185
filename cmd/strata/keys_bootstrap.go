package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/controlplane"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/credentials"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func newKeysBootstrap(env settings.LookupEnv) *cobra.Command {
	return (&bootstrap{connection: newConnection(env), make: controlplane.Bootstrap}).command()
}

// bootstrap makes the first key.
type bootstrap struct {
	*connection
	databaseURL string
	options     controlplane.BootstrapOptions
	save        bool
	output      outputFormat
	make        func(context.Context, string, controlplane.BootstrapOptions) (*accesskey.Key, error)
}

func (b *bootstrap) command() *cobra.Command {
	command := &cobra.Command{
		Use:   "bootstrap",
		Short: "Make the first key, in the database itself",
		Long: `Make the first key, in the database itself: one that may do everything, so that it
can make the others. Where there is such a key already, this is refused without
--force, which is for when its secret is lost.

The key is printed as what a shell reads. With --save it goes to the credentials
file instead, as the one for --server. Control planes that run know it after two
seconds.`,
		Example: `  eval "$(strata keys bootstrap --database-url postgres://localhost/strata)"
  DATABASE_URL=postgres://localhost/strata strata keys bootstrap --save --server https://strata.example.org`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	b.flags.StringVar(&b.databaseURL, "database-url", "", "`URL` of the PostgreSQL database of the control plane (also DATABASE_URL)")
	settings.Alias(b.flags, "database-url", "DATABASE_URL")
	settings.Secret(b.flags, "database-url")
	b.registerServer(command)
	flags := command.Flags()
	flags.StringVar(&b.options.Name, "name", "admin", "`name` of who the key is for")
	flags.DurationVar(&b.options.TTL, "ttl", 0, "`how long` it is valid, such as 4320h; default 180 days")
	flags.BoolVar(&b.options.Force, "force", false, "even though there is a key that may do everything")
	flags.BoolVar(&b.save, "save", false, "put the key into the credentials file, and do not print its secret")
	registerOutput(command, &b.output, asTable, asJSON, asYAML)
	command.RunE = func(command *cobra.Command, _ []string) error { return b.run(command) }
	return command
}

func (b *bootstrap) run(command *cobra.Command) error {
	if err := b.resolve(); err != nil {
		return err
	}
	switch {
	case b.databaseURL == "":
		return errors.New("want the database of the control plane: --database-url URL, or DATABASE_URL")
	case b.options.TTL < 0:
		return errors.New("--ttl: want no less than 0")
	}
	var file *credentials.File
	if b.save {
		var err error // before there is a key that could not be kept
		if file, err = b.credentials(); err != nil {
			return err
		}
	}
	pair, err := b.make(command.Context(), b.databaseURL, b.options)
	if errors.Is(err, controlplane.ErrHasAdmin) {
		return errors.New("there is a key already that may do everything, and make others: use that, or --force if its secret is lost")
	} else if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	key := &servingv1.PublicKey{AccessKey: pair.AccessKey(), Name: b.options.Name, Role: servingv1.Role_ROLE_ADMIN}
	out, messages := command.OutOrStdout(), command.ErrOrStderr()
	if file != nil {
		if err = errors.Join(file.Set(b.server, pair), file.Write()); err == nil {
			fmt.Fprintf(messages, "strata: note: %s is the key for %s now, in %s\n", key.GetAccessKey(), b.server, file.Path())
			return printKey(out, b.output, key, nil)
		}
		err = fmt.Errorf("the key is made, and could not be saved: %w", err) // so that it is printed
	}
	fmt.Fprintln(messages, shownOnce)
	return errors.Join(err, printKey(out, b.output, key, pair))
}
