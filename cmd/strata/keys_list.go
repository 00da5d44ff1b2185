package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newKeysList(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	var inUse bool
	command := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List keys, newest first",
		Long: `List keys, newest first, those that were revoked or have expired, too. LAST USED is
to the hour, and of control planes alone.`,
		Example: `  strata keys list --in-use`,
		Args:    noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.registerServer(command)
	command.Flags().BoolVar(&inUse, "in-use", false, "only keys that are neither revoked nor expired")
	flags.register(command, 0)
	command.RunE = c.with(func(command *cobra.Command, s *server, _ []string) error {
		found, more, err := s.listKeys(command.Context(), flags.limit, inUse)
		if err != nil {
			return err
		}
		tellMore(command.ErrOrStderr(), more)
		return flags.output.write(command.OutOrStdout(), &adminv1.AccessKeyServiceListResponse{AccessKeys: found},
			func(out io.Writer) error { return writeKeys(out, found, time.Now()) })
	})
	return command
}

func (s *server) listKeys(ctx context.Context, limit int, inUse bool) (found []*adminv1.AccessKey, more bool, err error) {
	return pages(ctx, limit, func(ctx context.Context, size int32, token string) ([]*adminv1.AccessKey, string, error) {
		page, err := s.keys.List(ctx, &adminv1.AccessKeyServiceListRequest{PageSize: size, PageToken: token, InUse: inUse})
		return page.GetAccessKeys(), page.GetNextPageToken(), err
	})
}

func writeKeys(out io.Writer, all []*adminv1.AccessKey, now time.Time) error {
	t := table{
		texts: []int{4, 3, 1},
		heads: []string{"ACCESS KEY", "NAME", "ROLE", "WHERE", "SERVICES", "EXPIRES", "LAST USED", "STATE"},
	}
	for _, k := range all {
		key := k.GetKey()
		used := "never"
		if k.LastUsedAt != nil {
			used = ago(k.GetLastUsedAt(), now)
		}
		t.add(key.GetAccessKey(), key.GetName(), roleName(key.GetRole()), orAll(key.GetEnvironments()), orAll(key.GetServices()),
			expiry(key, now), used, keyState(k, now))
	}
	return t.write(out)
}

// orAll writes names, of which none means all of them: the first one, and how many
// more there are.
func orAll(names []string) string {
	switch len(names) {
	case 0:
		return "all"
	case 1:
		return names[0]
	default:
		return fmt.Sprintf("%s +%d", names[0], len(names)-1)
	}
}
