package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func newKeysCreate(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var output outputFormat
	var role, publicKey string
	var ttl time.Duration
	request := &adminv1.AccessKeyServiceCreateRequest{}
	command := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a key for a program or a person",
		Long: `Make a key for a program or a person. What it may do is its role:

  admin   everything, in its environments; keys only if it is for all of them
  viewer  look at everything there
  plane   what a data plane needs: the configuration of its environments
  sdk     what an SDK needs: the configuration of its services

At most two keys of one name are in use at a time: the old and the new one while
they are exchanged. The secret key is made here and sent nowhere; with
--public-key it is made elsewhere.`,
		Example: `  strata keys create ranker --role sdk --env production --service ranker_svc
  strata keys create plane-eu --role plane --env production --ttl 8760h -o json
  eval "$(strata keys create ann --role admin)"`,
		Args: one("the name of who it is for"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.registerServer(command)
	flags := command.Flags()
	flags.StringVar(&role, "role", "", "what the key may do, a `role`: admin, viewer, plane or sdk")
	flags.StringArrayVar(&request.Environments, "env", nil, "`name` of an environment that it is for; can stand more than once; default all of them")
	flags.StringArrayVarP(&request.Services, "service", "s", nil, "`name` of a service that it is for, with the role sdk; can stand more than once; default all of them")
	flags.DurationVar(&ttl, "ttl", 0, "`how long` it is valid, such as 4320h; default 180 days")
	flags.StringVar(&publicKey, "public-key", "", "the Ed25519 public key, in `base64`, of a pair that was made elsewhere")
	registerCompletion(command, "role", cobra.FixedCompletions(roleNames(), cobra.ShellCompDirectiveNoFileComp))
	registerCompletion(command, "env", c.complete(environmentNames))
	registerCompletion(command, "service", cobra.NoFileCompletions)
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.RunE = func(command *cobra.Command, args []string) (err error) {
		request.Name = args[0]
		if request.Role, err = parseRole(role); err != nil {
			return err
		}
		if ttl < 0 {
			return errors.New("--ttl: want no less than 0")
		} else if ttl > 0 {
			request.Ttl = durationpb.New(ttl)
		}
		var pair *accesskey.Key
		if request.PublicKey, pair, err = publicKeyOf(publicKey); err != nil {
			return err
		}
		return c.with(func(command *cobra.Command, s *server, _ []string) error {
			return s.createKey(command, request, pair, output)
		})(command, args)
	}
	return command
}

// publicKeyOf reads a public key, or makes a pair.
func publicKeyOf(text string) (ed25519.PublicKey, *accesskey.Key, error) {
	if text == "" {
		pair, err := accesskey.Generate()
		if err != nil {
			return nil, nil, err
		}
		return pair.PublicKey(), pair, nil
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if data, err := encoding.DecodeString(text); err == nil && len(data) == ed25519.PublicKeySize {
			return data, nil, nil
		}
	}
	// What was given may be the secret by mistake, and so is not repeated.
	return nil, nil, fmt.Errorf("--public-key: want the %d bytes of an Ed25519 public key in base64", ed25519.PublicKeySize)
}

func (s *server) createKey(command *cobra.Command, r *adminv1.AccessKeyServiceCreateRequest, pair *accesskey.Key, output outputFormat) error {
	response, err := s.keys.Create(command.Context(), r)
	if err != nil {
		return err
	}
	key, messages := response.GetAccessKey().GetKey(), command.ErrOrStderr()
	if pair != nil {
		if key.GetAccessKey() != pair.AccessKey() {
			return fmt.Errorf("%s made %q of a public key whose name is %s: it is no control plane, or a faulty one", s.url, key.GetAccessKey(), pair.AccessKey())
		}
		fmt.Fprintln(messages, shownOnce)
	}
	fmt.Fprintf(messages, "strata: note: %s (%s) expires %s\n", key.GetAccessKey(), describeKey(key), expiry(key, time.Now()))
	return printKey(command.OutOrStdout(), output, key, pair)
}
