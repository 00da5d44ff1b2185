package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// startControlPlane runs a control plane on a database until the test ends.
func startControlPlane(t *testing.T, databaseURL string) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := controlplane.Default()
	c.DatabaseURL, c.AllowUnsafeDatabase = databaseURL, true
	c.HTTPAddr, c.PushAddr, c.MetricsAddr, c.DrainDelay = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", 0
	listening, ended := make(chan controlplane.Listening, 1), make(chan error, 1)
	c.OnListening = func(l controlplane.Listening) { listening <- l }
	go func() { ended <- controlplane.Run(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case l := <-listening:
		return "http://" + l.HTTP.String()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

// exported reads what a shell would read.
func exported(t *testing.T, out string) map[string]string {
	t.Helper()
	match := regexp.MustCompile(`^export STRATA_ACCESS_KEY=(\S+)\nexport STRATA_SECRET_KEY=(\S+)\n$`).FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("no exports:\n%s", out)
	}
	return map[string]string{"STRATA_ACCESS_KEY": match[1], "STRATA_SECRET_KEY": match[2]}
}

// TestKeysLife makes, uses and revokes keys on a real control plane.
func TestKeysLife(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	code, out, messages := command(t, map[string]string{"DATABASE_URL": database}, "keys", "bootstrap")
	if code != 0 || messages != shownOnce+"\n" {
		t.Fatalf("exit code %d, %s", code, messages)
	}
	admin := exported(t, out)
	if code, out, messages := command(t, map[string]string{"STRATA_DATABASE_URL": database}, "keys", "bootstrap"); code != 1 || out != "" || !strings.Contains(messages, "--force") {
		t.Errorf("a second first key: exit code %d, %s%s", code, out, messages)
	}
	url := startControlPlane(t, database)
	as := func(key map[string]string, want int, args ...string) (out string) {
		t.Helper()
		env := map[string]string{"STRATA_SERVER": url}
		maps.Copy(env, key)
		code, out, messages := command(t, env, args...)
		if code != want {
			t.Fatalf("strata %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, messages)
		}
		if strings.Contains(messages, "ssk_") {
			t.Errorf("a secret is in the messages of strata %s: %s", strings.Join(args, " "), messages)
		}
		if code == 0 {
			return out
		}
		return messages
	}
	if got := as(nil, 1, "get", "environments"); !strings.Contains(got, "[UNAUTHENTICATED]\nthere is no access key for "+url+" here") {
		t.Errorf("an unsigned call: %s", got)
	}
	as(admin, 0, "create", "environment", "production")
	viewer := exported(t, as(admin, 0, "keys", "create", "ann", "--role", "viewer", "--env", "production", "--ttl", "48h30m"))
	if got := as(viewer, 0, "get", "environments"); !strings.Contains(got, "production") {
		t.Errorf("a viewer sees %s", got)
	}
	if got := as(viewer, 1, "create", "environment", "mine"); !strings.Contains(got, "[PERMISSION_DENIED]\nit was signed by "+viewer["STRATA_ACCESS_KEY"]) {
		t.Errorf("a viewer creates an environment: %s", got)
	}
	if got := as(admin, 1, "keys", "create", "bob", "--role", "viewer", "--env", "elsewhere"); !strings.Contains(got, "[ENVIRONMENT_NOT_FOUND]") {
		t.Errorf("a key for no environment: %s", got)
	}
	var made printedKey
	if err := json.Unmarshal([]byte(as(admin, 0, "keys", "create", "ranker", "--role", "sdk", "-s", "ranker_svc", "-o", "json")), &made); err != nil {
		t.Fatal(err)
	}
	if made.Role != "sdk" || made.Name != "ranker" || len(made.Environments) != 0 || strings.Join(made.Services, " ") != "ranker_svc" || made.ExpiresAt == "" {
		t.Errorf("made %v", made)
	}
	if _, err := accesskey.Parse(made.AccessKey, made.SecretKey); err != nil {
		t.Error(err)
	}

	list := as(admin, 0, "keys", "list")
	for _, want := range []string{
		`ACCESS KEY +NAME +ROLE +WHERE +SERVICES +EXPIRES +LAST USED +STATE`,
		made.AccessKey + ` +ranker +sdk +all +ranker_svc +in 179 d +never +in use`,
		viewer["STRATA_ACCESS_KEY"] + ` +ann +viewer +production +all +in 2 d +(never|.* ago) +in use`,
		admin["STRATA_ACCESS_KEY"] + ` +admin +admin +all +all +in 179 d +(never|.* ago) +in use`,
	} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("%s is not in:\n%s", want, list)
		}
	}
	if got, want := as(admin, 0, "keys", "revoke", viewer["STRATA_ACCESS_KEY"]), "access key "+viewer["STRATA_ACCESS_KEY"]+" (ann, viewer in production) is revoked\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := as(viewer, 1, "get", "environments"); !strings.Contains(got, "[UNAUTHENTICATED]\nit was signed by "+viewer["STRATA_ACCESS_KEY"]+" of STRATA_ACCESS_KEY") {
		t.Errorf("a revoked key: %s", got)
	}
	if got := as(admin, 0, "keys", "list"); !regexp.MustCompile(viewer["STRATA_ACCESS_KEY"] + `.* revoked`).MatchString(got) {
		t.Error(got)
	}
	if got := as(admin, 0, "keys", "list", "--in-use"); strings.Contains(got, viewer["STRATA_ACCESS_KEY"]) {
		t.Error(got)
	}
	if got := as(admin, 1, "keys", "revoke", admin["STRATA_ACCESS_KEY"]); !strings.Contains(got, "[LAST_ADMIN_KEY]\n\"strata keys create NAME --role admin\" makes another one") {
		t.Error(got)
	}
	if got := as(admin, 0, "__complete", "keys", "revoke", ""); !strings.HasPrefix(got, made.AccessKey+"\tranker, sdk\n"+admin["STRATA_ACCESS_KEY"]+"\tadmin, admin\n:4") {
		t.Errorf("completion offers %s", got)
	}
}

// bootstrapped runs keys bootstrap without a database.
func bootstrapped(t *testing.T, env map[string]string, key *accesskey.Key, failure error, args ...string) (code int, out, messages string, asked controlplane.BootstrapOptions) {
	t.Helper()
	var stdout, stderr strings.Builder
	b := &bootstrap{
		connection: newConnection(func(name string) (string, bool) { value, ok := env[name]; return value, ok }),
		make: func(_ context.Context, _ string, o controlplane.BootstrapOptions) (*accesskey.Key, error) {
			asked = o
			return key, failure
		},
	}
	command := b.command()
	command.SetArgs(args)
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	command.SilenceErrors, command.SilenceUsage = true, true
	if err := command.ExecuteContext(t.Context()); err != nil {
		return 1, stdout.String(), stderr.String() + err.Error(), asked
	}
	return 0, stdout.String(), stderr.String(), asked
}

func TestBootstrapSaves(t *testing.T) {
	t.Parallel()
	key := generateKey(t)
	path := filepath.Join(t.TempDir(), "strata", "credentials.yaml")
	env := map[string]string{"DATABASE_URL": "postgres://db", "STRATA_CREDENTIALS_FILE": path, "STRATA_SERVER": "localhost:1"}
	code, out, messages, asked := bootstrapped(t, env, key, nil, "--save", "--name", "ann", "--ttl", "24h", "--force")
	want := "strata: note: " + key.AccessKey() + " is the key for http://localhost:1 now, in " + path + "\n"
	if code != 0 || out != key.AccessKey()+"\n" || messages != want {
		t.Errorf("exit code %d, %s%s", code, out, messages)
	}
	if asked != (controlplane.BootstrapOptions{Name: "ann", TTL: 24 * time.Hour, Force: true}) {
		t.Errorf("asked for %v", asked)
	}
	c := newConnection(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err := c.resolveAll(); err != nil || c.key == nil || c.key.SecretKey() != key.SecretKey() || c.keySource != path {
		t.Errorf("found %v of %s, %v", c.key, c.keySource, err)
	}
	code, out, _, _ = bootstrapped(t, env, key, nil, "--save", "-o", "json")
	var made printedKey
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 || made.SecretKey != "" || made.AccessKey != key.AccessKey() {
		t.Errorf("exit code %d, %v, %v", code, made, err)
	}
}

// TestBootstrapLosesNoKey can not save what it made.
func TestBootstrapLosesNoKey(t *testing.T) {
	t.Parallel()
	key, folder := generateKey(t), t.TempDir()
	inTheWay := filepath.Join(folder, "strata")
	path := filepath.Join(inTheWay, "credentials.yaml")
	env := map[string]string{"DATABASE_URL": "postgres://db", "STRATA_CREDENTIALS_FILE": path}
	var stdout, stderr strings.Builder
	b := &bootstrap{
		connection: newConnection(func(name string) (string, bool) { value, ok := env[name]; return value, ok }),
		make: func(context.Context, string, controlplane.BootstrapOptions) (*accesskey.Key, error) {
			return key, os.WriteFile(inTheWay, nil, 0o600)
		},
	}
	command := b.command()
	command.SetArgs([]string{"--save"})
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	command.SilenceErrors, command.SilenceUsage = true, true
	err := command.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the key is made, and could not be saved") {
		t.Errorf("got %v", err)
	}
	if got := exported(t, stdout.String()); got["STRATA_SECRET_KEY"] != key.SecretKey() {
		t.Errorf("got %s", stdout.String())
	}
}

func TestBootstrapRefusals(t *testing.T) {
	t.Parallel()
	key := generateKey(t)
	database := map[string]string{"DATABASE_URL": "postgres://u:hunter2@db"}
	readable := saved(t, "http://a", key)
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		env     map[string]string
		failure error
		args    []string
		want    string
	}{
		{nil, nil, nil, "want the database of the control plane: --database-url URL, or DATABASE_URL"},
		{database, nil, []string{"--ttl", "-1h"}, "--ttl: want no less than 0"},
		{database, controlplane.ErrHasAdmin, nil, "there is a key already that may do everything, and make others: use that, or --force if its secret is lost"},
		{database, errors.New("it is gone"), nil, "the database: it is gone"},
		{map[string]string{"DATABASE_URL": "x", "STRATA_CREDENTIALS_FILE": readable}, nil, []string{"--save"}, "chmod 600 " + readable},
	} {
		code, out, messages, _ := bootstrapped(t, test.env, key, test.failure, test.args...)
		if code != 1 || out != "" || messages != test.want && !strings.HasSuffix(messages, test.want) || strings.Contains(messages, "hunter2") {
			t.Errorf("exit code %d, %s%s\nwant %s", code, out, messages, test.want)
		}
	}
}

func sampleKeys(now time.Time) []*adminv1.AccessKey {
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(d)) }
	const day = 24 * time.Hour
	key := func(letter, name string, role servingv1.Role, expires time.Duration) *servingv1.PublicKey {
		return &servingv1.PublicKey{AccessKey: "sak_" + strings.Repeat(letter, 24), Name: name, Role: role, NotBefore: at(-400 * day), ExpiresAt: at(expires)}
	}
	sdk := key("a", "ranker", servingv1.Role_ROLE_SDK, 12*day+time.Hour)
	sdk.Environments, sdk.Services = []string{"production", "staging"}, []string{"ranker_svc", "search_svc", "mail_svc"}
	plane := key("b", "plane-eu", servingv1.Role_ROLE_PLANE, 90*time.Minute+30*time.Second)
	plane.Environments = []string{"production"}
	later := key("e", "ben\x1b[2J", servingv1.Role_ROLE_VIEWER, 0)
	later.NotBefore, later.ExpiresAt = at(day), nil
	return []*adminv1.AccessKey{
		{Key: sdk, LastUsedAt: at(-3*time.Hour - time.Minute)},
		{Key: plane},
		{Key: key("c", "ann", servingv1.Role_ROLE_ADMIN, -30*day-time.Hour), LastUsedAt: at(-31*day - time.Hour)},
		{Key: key("d", "ann", servingv1.Role_ROLE_ADMIN, 100*day+time.Hour), RevokedAt: at(-day)},
		{Key: later},
	}
}

// keeper is a plane that keeps keys.
func keeper(t *testing.T) (p *plane, asked *[]string) {
	t.Helper()
	p, asked = newPlane(t, "production"), new([]string)
	keys := sampleKeys(time.Now())
	on(p, adminv1connect.AccessKeyServiceListProcedure, func(_ context.Context, r *adminv1.AccessKeyServiceListRequest) (*adminv1.AccessKeyServiceListResponse, error) {
		if r.GetInUse() {
			return &adminv1.AccessKeyServiceListResponse{AccessKeys: keys[:2]}, nil
		}
		return &adminv1.AccessKeyServiceListResponse{AccessKeys: keys}, nil
	})
	on(p, adminv1connect.AccessKeyServiceRevokeProcedure, func(_ context.Context, r *adminv1.AccessKeyServiceRevokeRequest) (*adminv1.AccessKeyServiceRevokeResponse, error) {
		*asked = append(*asked, r.GetAccessKey())
		return &adminv1.AccessKeyServiceRevokeResponse{AccessKey: keys[0]}, nil
	})
	on(p, adminv1connect.AccessKeyServiceCreateProcedure, func(_ context.Context, r *adminv1.AccessKeyServiceCreateRequest) (*adminv1.AccessKeyServiceCreateResponse, error) {
		public := ed25519.PublicKey(r.GetPublicKey())
		r.PublicKey = nil
		*asked = append(*asked, strings.Join(strings.Fields(protoText(r)), " "))
		return &adminv1.AccessKeyServiceCreateResponse{AccessKey: &adminv1.AccessKey{Key: &servingv1.PublicKey{
			AccessKey: accesskey.Name(public), Name: r.GetName(), Role: r.GetRole(), Environments: r.GetEnvironments(),
		}}}, nil
	})
	return p, asked
}

func TestKeySessions(t *testing.T) {
	t.Parallel()
	p, _ := keeper(t)
	for name, args := range map[string]string{
		"keys_list":        "keys list",
		"keys_list_in_use": "keys list --in-use",
		"keys_revoke":      "keys revoke sak_" + strings.Repeat("a", 24),
		"keys_help":        "keys --help",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.golden(t, name, strings.Fields(args)...)
		})
	}
}

func TestCreateKeySendsNoSecret(t *testing.T) {
	t.Parallel()
	p, asked := keeper(t)
	elsewhere := generateKey(t)
	encoded := base64.StdEncoding.EncodeToString(elsewhere.PublicKey())
	for args, want := range map[string]string{
		"ann --role admin": `name:"ann" role:ROLE_ADMIN`,
		"r --role SDK --env a --env b -s s1 -s s2 --ttl 1h": `name:"r" role:ROLE_SDK environments:"a" environments:"b" services:"s1" services:"s2" ttl:{seconds:3600}`,
		"p --role plane --public-key " + encoded:            `name:"p" role:ROLE_PLANE`,
	} {
		*asked = nil
		code, out, messages := p.run(t, "", append([]string{"keys", "create"}, strings.Fields(args)...)...)
		if code != 0 || strings.Join(*asked, "\n") != want || !strings.Contains(messages, ") expires never\n") {
			t.Errorf("%s: exit code %d, asked %s, %s", args, code, *asked, messages)
		}
		if strings.Contains(args, encoded) {
			if out != elsewhere.AccessKey()+"\n" || strings.Contains(messages, shownOnce) {
				t.Errorf("%s: %s%s", args, out, messages)
			}
			continue
		}
		got := exported(t, out)
		if _, err := accesskey.Parse(got["STRATA_ACCESS_KEY"], got["STRATA_SECRET_KEY"]); err != nil || !strings.Contains(messages, shownOnce) {
			t.Errorf("%s: %v, %s", args, err, messages)
		}
	}
	*asked = nil
	for args, want := range map[string]string{
		"ann":                    "want what the key may do: --role admin, viewer, plane, sdk",
		"ann --role boss":        `--role "boss": want one of admin, viewer, plane, sdk`,
		"--role admin":           "want the name of who it is for, got 0 arguments: strata keys create NAME --role ROLE",
		"a --role sdk --ttl -1s": "--ttl: want no less than 0",
		"a --role sdk --public-key " + elsewhere.SecretKey(): "--public-key: want the 32 bytes of an Ed25519 public key in base64",
	} {
		code, out, messages := p.run(t, "", append([]string{"keys", "create"}, strings.Fields(args)...)...)
		if code != 1 || out != "" || !strings.Contains(messages, want) || len(*asked) > 0 || strings.Contains(messages, elsewhere.SecretKey()) {
			t.Errorf("%s: exit code %d, %s%s\nwant %s", args, code, out, messages, want)
		}
	}
}

// TestCreateKeyKnowsItsOwn has a server that makes another key of what it was
// sent.
func TestCreateKeyKnowsItsOwn(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	answer(p, adminv1connect.AccessKeyServiceCreateProcedure,
		&adminv1.AccessKeyServiceCreateResponse{AccessKey: sampleKeys(time.Now())[0]}, (*adminv1.AccessKeyServiceCreateRequest)(nil))
	code, out, messages := p.run(t, "", "keys", "create", "ann", "--role", "admin")
	if code != 1 || out != "" || !strings.Contains(messages, "it is no control plane, or a faulty one") {
		t.Errorf("exit code %d, %s%s", code, out, messages)
	}
}

func TestRevokeAsksOnATerminal(t *testing.T) {
	t.Parallel()
	first := "sak_" + strings.Repeat("a", 24)
	mine := generateKey(t)
	for _, test := range []struct {
		typed string
		args  []string
		asks  string
		does  bool
	}{
		{"y\n", []string{first}, "Revoke " + first + " (ranker, sdk in production, staging, last used 3 h ago)? [y/N] ", true},
		{"n\n", []string{first}, "[y/N]", false},
		{"", []string{first, "-y"}, "", true},
		{"y\n", []string{mine.AccessKey()}, "Revoke " + mine.AccessKey() + ", by which this command is signed? [y/N] ", true},
	} {
		p, asked := keeper(t)
		p.env["STRATA_SECRET_KEY"] = mine.SecretKey()
		var messages strings.Builder
		code := run(t.Context(), append([]string{"keys", "revoke"}, test.args...),
			streams{terminal{strings.NewReader(test.typed), os.ModeCharDevice, nil}, io.Discard, &messages},
			func(name string) (string, bool) { return p.env[name], true })
		if (code == 0) != test.does || (len(*asked) == 1) != test.does || !strings.Contains(messages.String(), test.asks) {
			t.Errorf("exit code %d, asked %v, %s", code, *asked, &messages)
		}
	}
	p, asked := keeper(t)
	if code, _, messages := p.run(t, "", "keys", "revoke", "ranker"); code != 1 || len(*asked) > 0 || !strings.Contains(messages, `"ranker" is no access key: "strata keys list"`) {
		t.Errorf("exit code %d, %s", code, messages)
	}
}

func TestKeyCompletion(t *testing.T) {
	t.Parallel()
	p, _ := keeper(t)
	for args, want := range map[string]string{
		"keys create ann --role ":           "admin viewer plane sdk",
		"keys create ann --role sdk --env ": "production\twhat users get",
		"keys create ":                      "",
		"keys list -o ":                     "table json yaml",
		"keys revoke ": "sak_" + strings.Repeat("a", 24) + "\tranker, sdk in production, staging" +
			" sak_" + strings.Repeat("b", 24) + "\tplane-eu, plane in production",
		"get planes --env ":        "production\twhat users get",
		"wait --env ":              "production\twhat users get",
		"wait --timeout ":          "",
		"pause 100 --wait-planes ": "",
	} {
		_, stdout, _ := p.run(t, "", append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if got := strings.ReplaceAll(strings.TrimSuffix(stdout, "\n"), "\n", " "); got != strings.TrimPrefix(want+" :4", " ") {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}
