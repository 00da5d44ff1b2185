package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/settings"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func newKeys(env settings.LookupEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke access keys",
		Long: `Make, list and revoke access keys: who may call the control plane and the data
planes, and what they may do.

Commands that ask a control plane sign what they send by an access key and its
secret key. These are, in this order:

  STRATA_ACCESS_KEY and STRATA_SECRET_KEY of the environment; instead of the
  second one, STRATA_SECRET_KEY_FILE names a file that holds it

  what the credentials file has for the server: strata/credentials.yaml in the
  folder of your settings (~/.config), or what STRATA_CREDENTIALS_FILE names

A secret key is shown once, when it is made. Nobody but you has it, the control
plane neither.`,
	}
	command.AddCommand(newKeysBootstrap(env), newKeysCreate(env), newKeysList(env), newKeysRevoke(env))
	return command
}

// printedKey is a new key as it is printed, the one time that its secret is.
type printedKey struct {
	AccessKey    string   `json:"access_key"`
	SecretKey    string   `json:"secret_key,omitempty"`
	Name         string   `json:"name"`
	Role         string   `json:"role"`
	Environments []string `json:"environments"` // empty for all
	Services     []string `json:"services"`     // as above
	ExpiresAt    string   `json:"expires_at,omitempty"`
}

// printKey prints a key: as what a shell reads, or for programs. pair has the
// secret; nil if that is elsewhere, and nothing for a shell.
func printKey(out io.Writer, format outputFormat, key *servingv1.PublicKey, pair *accesskey.Key) error {
	if format == asTable {
		text := key.GetAccessKey() + "\n"
		if pair != nil {
			text = fmt.Sprintf("export %s=%s\nexport %s=%s\n",
				accesskey.AccessKeyVariable, pair.AccessKey(), accesskey.SecretKeyVariable, pair.SecretKey())
		}
		_, err := io.WriteString(out, text)
		return err
	}
	printed := printedKey{
		AccessKey: key.GetAccessKey(), Name: key.GetName(), Role: roleName(key.GetRole()),
		Environments: append([]string{}, key.GetEnvironments()...), Services: append([]string{}, key.GetServices()...),
	}
	if key.ExpiresAt != nil {
		printed.ExpiresAt = key.GetExpiresAt().AsTime().Format(time.RFC3339)
	}
	if pair != nil {
		printed.SecretKey = pair.SecretKey()
	}
	return writeValue(out, format, printed)
}

// shownOnce is said with each secret that is printed.
const shownOnce = "strata: note: the secret key is shown this once, and kept nowhere else"

// roleName writes a role as people say it.
func roleName(role servingv1.Role) string {
	return strings.ToLower(strings.TrimPrefix(role.String(), "ROLE_"))
}

// roleNames returns how people write roles.
func roleNames() []string {
	var names []string
	for n := int32(1); servingv1.Role_name[n] != ""; n++ {
		names = append(names, roleName(servingv1.Role(n)))
	}
	return names
}

func parseRole(text string) (servingv1.Role, error) {
	role := servingv1.Role(servingv1.Role_value["ROLE_"+strings.ToUpper(text)])
	switch {
	case text == "":
		return 0, fmt.Errorf("want what the key may do: --role %s", strings.Join(roleNames(), ", "))
	case role == servingv1.Role_ROLE_UNSPECIFIED:
		return 0, fmt.Errorf("--role %q: want one of %s", text, strings.Join(roleNames(), ", "))
	}
	return role, nil
}

// describeKey says what a key is, such as "ranker, sdk in production".
func describeKey(key *servingv1.PublicKey) string {
	text := explain.Printable(key.GetName()) + ", " + roleName(key.GetRole())
	if len(key.GetEnvironments()) > 0 {
		text += " in " + some(key.GetEnvironments())
	}
	return text
}

// keyState says whether a key can be used.
func keyState(k *adminv1.AccessKey, now time.Time) string {
	switch key := k.GetKey(); {
	case k.RevokedAt != nil:
		return "revoked"
	case key.ExpiresAt != nil && !key.GetExpiresAt().AsTime().After(now):
		return "expired"
	case key.GetNotBefore().AsTime().After(now):
		return "not yet"
	default:
		return "in use"
	}
}

// expiry says when a key expires.
func expiry(key *servingv1.PublicKey, now time.Time) string {
	if key.ExpiresAt == nil {
		return "never"
	}
	left := key.GetExpiresAt().AsTime().Sub(now)
	if left <= 0 {
		return span(-left) + " ago"
	}
	return "in " + span(left)
}
