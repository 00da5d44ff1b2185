package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func newKeysRevoke(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var yes bool
	command := &cobra.Command{
		Use:   "revoke ACCESS_KEY",
		Short: "Revoke a key for good",
		Long: `Revoke a key for good. Control planes refuse it within two seconds; data planes end
its streams when they hear of it. On a terminal you are asked first, unless --yes
is given. The last key that could make others is not revoked.`,
		Example: `  strata keys revoke sak_ngixmhk3i52ndaxaptwt3qcy`,
		Args:    one("an access key"), ValidArgsFunction: completeArgument(c.complete(keysInUse)),
	}
	c.registerServer(command)
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	command.RunE = c.with(func(command *cobra.Command, s *server, args []string) error {
		if !accesskey.WellFormed(args[0]) {
			return fmt.Errorf("%q is no access key: \"strata keys list\" shows those there are", args[0])
		}
		if !yes && interactive(command.InOrStdin()) {
			question, err := s.revocation(command.Context(), args[0])
			if err != nil {
				return err
			}
			if err := confirm(command.Context(), command.InOrStdin(), command.ErrOrStderr(), question); err != nil {
				return err
			}
		}
		response, err := s.keys.Revoke(command.Context(), &adminv1.AccessKeyServiceRevokeRequest{AccessKey: args[0]})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "access key %s (%s) is revoked\n", args[0], describeKey(response.GetAccessKey().GetKey()))
		return err
	})
	return command
}

// revocation asks about a key by what people know it by.
func (s *server) revocation(ctx context.Context, accessKey string) (string, error) {
	all, _, err := s.listKeys(ctx, 0, false)
	if err != nil {
		return "", err
	}
	text := accessKey
	known := func(k *adminv1.AccessKey) bool { return k.GetKey().GetAccessKey() == accessKey }
	if i := slices.IndexFunc(all, known); i >= 0 {
		text += " (" + describeKey(all[i].GetKey())
		if all[i].LastUsedAt != nil {
			text += ", last used " + ago(all[i].GetLastUsedAt(), time.Now())
		}
		text += ")"
	}
	if s.key != nil && s.key.AccessKey() == accessKey {
		text += ", by which this command is signed"
	}
	return "Revoke " + text + "?", nil
}

// keysInUse completes with keys, and who they are for.
func keysInUse(ctx context.Context, s *server) ([]cobra.Completion, error) {
	response, err := s.keys.List(ctx, &adminv1.AccessKeyServiceListRequest{PageSize: mostCompletions, InUse: true})
	var keys []cobra.Completion
	for _, k := range response.GetAccessKeys() {
		keys = append(keys, described(k.GetKey().GetAccessKey(), describeKey(k.GetKey())))
	}
	return keys, err
}
