package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/credentials"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func generateKey(t *testing.T) *accesskey.Key {
	t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// saved writes a credentials file with a key for a server.
func saved(t *testing.T, server string, key *accesskey.Key) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "credentials.yaml")
	file, err := credentials.Read(path)
	if err == nil {
		err = file.Set(server, key)
	}
	if err == nil {
		err = file.Write()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// signer returns by which key a call is signed for an audience; "" if it is not.
func signer(ctx context.Context, procedure, audience string, keys ...*accesskey.Key) string {
	info, _ := connect.CallInfoForHandlerContext(ctx)
	h := info.RequestHeader()
	signature, err := accesskey.ParseSignature(h.Get(accesskey.HeaderInput), h.Get(accesskey.HeaderSignature))
	if err != nil {
		return ""
	}
	for _, key := range keys {
		if signature.Verify(key.PublicKey(), accesskey.Message{
			Method: "POST", Path: procedure, ContentType: h.Get("Content-Type"), Digest: h.Get(accesskey.HeaderDigest), Audience: audience,
		}) {
			return key.AccessKey()
		}
	}
	return "nobody"
}

func TestCallsAreSigned(t *testing.T) {
	t.Parallel()
	fromEnvironment, fromFile := generateKey(t), generateKey(t)
	p := newPlane(t)
	signers := make(chan string, 1)
	const procedure = adminv1connect.EnvironmentServiceGetProcedure
	on(p, procedure, func(ctx context.Context, _ *adminv1.EnvironmentServiceGetRequest) (*adminv1.EnvironmentServiceGetResponse, error) {
		audience := defaultAudience
		if signer(ctx, procedure, "other", fromEnvironment) == fromEnvironment.AccessKey() {
			audience = "other"
		}
		signers <- signer(ctx, procedure, audience, fromEnvironment, fromFile) + " " + audience
		return &adminv1.EnvironmentServiceGetResponse{Environment: production()}, nil
	})
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(fromEnvironment.SecretKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	localhost := strings.Replace(p.url, "127.0.0.1", "localhost", 1)
	access, secret := fromEnvironment.AccessKey(), fromEnvironment.SecretKey()
	for _, test := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"by nobody", nil, nil, " " + defaultAudience},
		{"by nobody for this server", map[string]string{"STRATA_CREDENTIALS_FILE": saved(t, "http://127.0.0.1:1", fromFile)}, nil, " " + defaultAudience},
		{"by a file", map[string]string{"STRATA_CREDENTIALS_FILE": saved(t, localhost, fromFile)}, nil, fromFile.AccessKey() + " " + defaultAudience},
		{
			"by the environment before a file",
			map[string]string{"STRATA_ACCESS_KEY": access, "STRATA_SECRET_KEY": secret, "STRATA_CREDENTIALS_FILE": saved(t, p.url, fromFile)},
			nil, access + " " + defaultAudience,
		},
		{"by a secret alone", map[string]string{"STRATA_SECRET_KEY": secret}, nil, access + " " + defaultAudience},
		{"by a secret in a file", map[string]string{"STRATA_ACCESS_KEY": access, "STRATA_SECRET_KEY_FILE": secretFile}, nil, access + " " + defaultAudience},
		{"for an audience", map[string]string{"STRATA_SECRET_KEY": secret}, []string{"--audience", "other"}, access + " other"},
		{"for an audience of the environment", map[string]string{"STRATA_SECRET_KEY": secret, "STRATA_AUDIENCE": "other"}, nil, access + " other"},
	} {
		env := map[string]string{"STRATA_SERVER": p.url}
		maps.Copy(env, test.env)
		if code, _, stderr := command(t, env, append([]string{"get", "environment", "e"}, test.args...)...); code != 0 {
			t.Fatalf("%s: %s", test.name, stderr)
		}
		if got := <-signers; got != test.want {
			t.Errorf("%s: signed by %s, want %s", test.name, got, test.want)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	key, other := generateKey(t), generateKey(t)
	open := saved(t, "http://a", key)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		env  map[string]string
		args string
		want string
	}{
		{map[string]string{"STRATA_ACCESS_KEY": key.AccessKey()}, "", "STRATA_ACCESS_KEY is set, and its secret is not: set STRATA_SECRET_KEY or STRATA_SECRET_KEY_FILE, too"},
		{map[string]string{"STRATA_SECRET_KEY": key.SecretKey(), "STRATA_SECRET_KEY_FILE": "x"}, "", "want STRATA_SECRET_KEY or STRATA_SECRET_KEY_FILE, not both"},
		{map[string]string{"STRATA_SECRET_KEY_FILE": "/not/there"}, "", "STRATA_SECRET_KEY_FILE: open /not/there"},
		{map[string]string{"STRATA_SECRET_KEY_FILE": empty}, "", "STRATA_SECRET_KEY_FILE: " + empty + " is empty"},
		{map[string]string{"STRATA_ACCESS_KEY": other.AccessKey(), "STRATA_SECRET_KEY": key.SecretKey()}, "", "the secret key (STRATA_SECRET_KEY) is the one of the access key " + key.AccessKey()},
		{map[string]string{"STRATA_ACCESS_KEY": key.SecretKey(), "STRATA_SECRET_KEY": key.AccessKey()}, "", "are exchanged"},
		{map[string]string{"STRATA_CREDENTIALS_FILE": open}, "", "chmod 600 " + open},
		{nil, "--audience=", "--audience \"\": want 1 to 256 characters of ASCII without blanks"},
		{nil, "--audience=a\tb", "--audience \"a\\tb\": want"},
	} {
		args := []string{"get", "environments"}
		if test.args != "" {
			args = append(args, test.args)
		}
		code, stdout, stderr := command(t, test.env, args...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, test.want) || strings.Contains(stderr, key.SecretKey()) {
			t.Errorf("exit code %d, %q, %s\nwant %s", code, stdout, stderr, test.want)
		}
		// Whoever presses the tab key wants no errors.
		if code, _, stderr := command(t, test.env, append([]string{"__complete"}, append(args, "")...)...); code != 0 || strings.Contains(stderr, test.want) {
			t.Errorf("completion: exit code %d, %s", code, stderr)
		}
	}
}

// declined is an error as authentication makes it.
func declined(code connect.Code, reason servingv1.ErrorReason, message string, metadata map[string]string) error {
	err := connect.NewError(code, plainError(message))
	detail, failed := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason.String(), Domain: "strata", Metadata: metadata})
	if failed != nil {
		panic(failed)
	}
	err.AddDetail(detail)
	return err
}

func TestDeclinedCallsSayWhatToDo(t *testing.T) {
	t.Parallel()
	key := generateKey(t)
	serverTime := time.Now().Add(48 * time.Hour)
	for _, test := range []struct {
		err      error
		unsigned bool
		want     []string
	}{
		{
			declined(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the call is not signed", nil), true,
			[]string{
				"strata: the call is not signed [UNAUTHENTICATED]\n", "there is no access key for http://PLANE here: set STRATA_ACCESS_KEY and STRATA_SECRET_KEY\n",
				"\"strata keys bootstrap\" makes the first key",
			},
		},
		{
			declined(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the signature does not hold", nil), false,
			[]string{"it was signed by " + key.AccessKey() + " of STRATA_ACCESS_KEY for the audience \"control-plane\"\n", "strata keys list"},
		},
		{
			declined(connect.CodePermissionDenied, servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "the role does not allow it", nil), false,
			[]string{"[PERMISSION_DENIED]\nit was signed by " + key.AccessKey() + " of STRATA_ACCESS_KEY\n", "strata keys create"},
		},
		{
			declined(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_CLOCK_SKEW, "the time is not now",
				map[string]string{"server_time_millis": strconv.FormatInt(serverTime.UnixMilli(), 10)}), false,
			[]string{"[CLOCK_SKEW]\nthis machine's clock says ", ", the control plane's " + serverTime.UTC().Format(time.DateTime) + " (UTC): set the one that is wrong\n"},
		},
		{
			declined(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_REPLAYED, "used before", nil), false,
			[]string{"[REPLAYED]\nnothing was done: try again"},
		},
	} {
		p := newPlane(t)
		on(p, adminv1connect.EnvironmentServiceGetProcedure, func(context.Context, *adminv1.EnvironmentServiceGetRequest) (*adminv1.EnvironmentServiceGetResponse, error) {
			return nil, test.err
		})
		if !test.unsigned {
			p.env["STRATA_ACCESS_KEY"], p.env["STRATA_SECRET_KEY"] = key.AccessKey(), key.SecretKey()
		}
		code, stdout, stderr := p.run(t, "", "get", "environment", "e")
		for _, want := range test.want {
			if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, %q, %s\nwant %s", code, stdout, stderr, want)
			}
		}
	}
}
