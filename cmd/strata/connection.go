package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/user"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// defaultServer is where a control plane on this machine serves by default.
const defaultServer = "http://127.0.0.1:8082"

// defaultAudience is what control planes call themselves by default.
const defaultAudience = "control-plane"

// connection says which control plane a command asks, about which environment,
// and for whom.
type connection struct {
	server, environment, author, audience string
	// key signs what is sent; nil for nothing. keySource says where it was found.
	key       *accesskey.Key
	keySource string

	flags *pflag.FlagSet // those that are settings
	env   settings.LookupEnv
}

func newConnection(env settings.LookupEnv) *connection {
	c := &connection{flags: pflag.NewFlagSet("connection", pflag.ContinueOnError), env: env}
	c.flags.StringVar(&c.server, "server", defaultServer, "`URL` of the control plane (also STRATA_SERVER)")
	c.flags.StringVar(&c.audience, "audience", defaultAudience, "what the control plane calls itself, the `name` that calls are signed for (also STRATA_AUDIENCE)")
	return c
}

// register adds the flags of a command that is about one environment.
func (c *connection) register(command *cobra.Command) {
	c.flags.StringVar(&c.environment, "env", "", "`name` of the environment (also STRATA_ENV); default the only one there is")
	command.Flags().AddFlagSet(c.flags)
	registerCompletion(command, "env", c.complete(environmentNames))
}

// registerServer adds the flags of a command that is about no environment, or
// names it in its arguments.
func (c *connection) registerServer(command *cobra.Command) { command.Flags().AddFlagSet(c.flags) }

// asAuthor adds the flag of a command that changes something. It has to be
// called before the flags are registered.
func (c *connection) asAuthor() *connection {
	c.flags.StringVar(&c.author, "author", "", "`name` of who makes the change (also STRATA_AUTHOR); default the user's name")
	return c
}

// resolve completes the settings. It may be called again.
func (c *connection) resolve() error {
	if _, err := settings.Resolve(c.flags, c.env); err != nil {
		return err
	}
	address, err := serverURL(c.server)
	if err != nil {
		return err
	}
	c.server = address
	if err := checkAudience(c.audience); err != nil {
		return err
	}
	if c.flags.Lookup("author") == nil {
		return nil
	}
	c.author = cmp.Or(c.author, userName())
	return checkAuthor(c.author)
}

// resolveAll completes the settings, and finds the key.
func (c *connection) resolveAll() error {
	if err := c.resolve(); err != nil {
		return err
	}
	return c.findKey()
}

// serverURL completes what people leave out of a URL.
func serverURL(text string) (string, error) {
	full := text
	if !strings.Contains(text, "://") {
		full = "http://" + text
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("--server %q: want a URL, such as %s", text, defaultServer)
	}
	return strings.TrimRight(full, "/"), nil
}

// userName returns who runs the command, if that is known.
func userName() string {
	if u, err := user.Current(); err == nil && checkAuthor(u.Username) == nil {
		return u.Username
	}
	return "unknown"
}

// checkAuthor refuses what can not be sent in a header.
func checkAuthor(author string) error {
	const longest = 256
	if len(author) > longest || strings.ContainsFunc(author, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("--author: want at most %d bytes of text in one line", longest)
	}
	return nil
}

// checkAudience refuses what no signature can be for.
func checkAudience(audience string) error {
	const longest = 256
	strange := func(r rune) bool { return r < '!' || r > '~' }
	if audience == "" || len(audience) > longest || strings.ContainsFunc(audience, strange) {
		return fmt.Errorf("--audience %q: want 1 to %d characters of ASCII without blanks", audience, longest)
	}
	return nil
}

// serverRun is what a command does with a control plane.
type serverRun func(command *cobra.Command, s *server, args []string) error

// in makes the RunE of a command about one environment. What the control plane
// refuses becomes an error for people.
func (c *connection) in(run serverRun) func(*cobra.Command, []string) error {
	return c.with(func(command *cobra.Command, s *server, args []string) error {
		if err := s.chooseEnvironment(command.Context()); err != nil {
			return err
		}
		return run(command, s, args)
	})
}

// with is in for commands that are about no environment.
func (c *connection) with(run serverRun) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		if err := c.resolveAll(); err != nil {
			return err
		}
		s := newServer(c)
		defer s.close()
		err := run(command, s, args)
		if code := exitCode(0); err == nil || errors.As(err, &code) {
			return err
		}
		return s.failure(command.Context(), err, nil)
	}
}

// complete completes a word with names that the control plane has. Where it has
// no answer soon, there are none.
func (c *connection) complete(names func(context.Context, *server) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if c.resolveAll() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		s := newServer(c)
		defer s.close()
		ctx, cancel := context.WithTimeout(command.Context(), completionTimeout)
		defer cancel()
		found, err := names(ctx, s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
