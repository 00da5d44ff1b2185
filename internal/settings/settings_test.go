package settings_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/internal/settings"
)

type bundle struct {
	flags *pflag.FlagSet
	env   map[string]string
	file  string
}

func setup(t *testing.T, yaml string) *bundle {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("http-addr", ":8080", "")
	flags.String("layers-dir", "", "")
	flags.Duration("stop-timeout", 10*time.Second, "")
	flags.StringSlice("sources", nil, "")
	flags.String("secret-key", "", "")
	flags.Int("secret-number", 0, "")
	flags.String("config", "", "")
	flags.String("output", "", "")
	settings.Alias(flags, "layers-dir", "LAYERS_DIR", "LAYERS")
	settings.Secret(flags, "secret-key")
	settings.Secret(flags, "secret-number")
	b := &bundle{flags: flags, env: map[string]string{}}
	if yaml != "" {
		b.file = filepath.Join(t.TempDir(), "strata.yaml")
		if err := os.WriteFile(b.file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		b.env["STRATA_CONFIG"] = b.file
	}
	return b
}

func (b *bundle) resolve(t *testing.T, args ...string) ([]settings.Setting, error) {
	t.Helper()
	if err := b.flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return settings.Resolve(b.flags, func(name string) (string, bool) {
		value, ok := b.env[name]
		return value, ok
	}, "output")
}

func TestResolveTakesTheNearestSource(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, yaml   string
		env          map[string]string
		args         []string
		flag         string
		value, where string // where with FILE for the file's name
	}{
		{name: "default", flag: "http-addr", value: ":8080", where: "default"},
		{name: "file", yaml: "http_addr: a:1", flag: "http-addr", value: "a:1", where: "file FILE:1"},
		{name: "file with hyphens", yaml: "# one\nhttp-addr: a:1", flag: "http-addr", value: "a:1", where: "file FILE:2"},
		{name: "file with a duration", yaml: "stop_timeout: 3s", flag: "stop-timeout", value: "3s", where: "file FILE:1"},
		{name: "file with a list", yaml: "sources: [a, b]", flag: "sources", value: "[a,b]", where: "file FILE:1"},
		{name: "file with one of a list", yaml: "sources: a", flag: "sources", value: "[a]", where: "file FILE:1"},
		{
			name: "environment over file", yaml: "http_addr: a:1", env: map[string]string{"STRATA_HTTP_ADDR": "b:2"},
			flag: "http-addr", value: "b:2", where: "environment STRATA_HTTP_ADDR",
		},
		{
			name: "flag over environment", env: map[string]string{"STRATA_HTTP_ADDR": "b:2"}, args: []string{"--http-addr", "c:3"},
			flag: "http-addr", value: "c:3", where: "flag",
		},
		{
			name: "further name", env: map[string]string{"LAYERS_DIR": "/l"},
			flag: "layers-dir", value: "/l", where: "environment LAYERS_DIR",
		},
		{
			name: "own name over further name", env: map[string]string{"LAYERS_DIR": "/l", "STRATA_LAYERS_DIR": "/s"},
			flag: "layers-dir", value: "/s", where: "environment STRATA_LAYERS_DIR",
		},
		{
			name: "empty variable", env: map[string]string{"STRATA_LAYERS_DIR": "", "LAYERS": "/m"},
			flag: "layers-dir", value: "/m", where: "environment LAYERS",
		},
		{name: "secret", yaml: "secret_key: hunter2", flag: "secret-key", value: "***", where: "file FILE:1"},
		{name: "empty file", yaml: "# nothing", flag: "http-addr", value: ":8080", where: "default"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, test.yaml)
			maps.Copy(b.env, test.env)
			all, err := b.resolve(t, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(all, func(s settings.Setting) bool { return s.Name == test.flag })
			if i < 0 {
				t.Fatalf("%s is missing in %v", test.flag, all)
			}
			want := settings.Setting{
				Name: test.flag, Value: test.value, Source: strings.ReplaceAll(test.where, "FILE", b.file),
			}
			if all[i] != want {
				t.Errorf("got %+v, want %+v", all[i], want)
			}
		})
	}
}

func TestResolveListsEveryFault(t *testing.T) {
	t.Parallel()
	b := setup(t, strings.Join([]string{
		"layer_dir: /x",
		"stop-timeout: soon",
		"http_addr: [a, b]",
		"http-addr: c",
		"secret_number: hunter2",
		"config: other.yaml",
		"output: json",
		"wholly_different: 1",
		"sources: {a: b}",
		"layers_dir:",
	}, "\n"))
	b.env["STRATA_SECRET_NUMBER"] = ""
	_, err := b.resolve(t)
	if err == nil {
		t.Fatal("want an error")
	}
	// What can not even be read hides the rest.
	for _, want := range []string{
		`:4: http-addr stands twice, first at FILE:3`,
		`:9: sources: want a plain value or a list of them`,
		`:10: layers_dir: want a value, got none`,
	} {
		if want = b.file + strings.ReplaceAll(want, "FILE", b.file); !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}

	b = setup(t, strings.Join([]string{
		"layer_dir: /x",
		"stop-timeout: soon",
		"http_addr: [a, b]",
		"secret_number: hunter2",
		"config: other.yaml",
		"output: json",
		"wholly_different: 1",
	}, "\n"))
	_, err = b.resolve(t)
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		`:1: unknown key "layer_dir", did you mean "layers_dir"?`,
		`:2: stop-timeout: `,
		`:3: http_addr: want one value, got a list`,
		`:4: secret_number: not a valid int`,
		`:5: unknown key "config"`,
		`:6: unknown key "output"`,
		`:7: unknown key "wholly_different"`,
	} {
		if !strings.Contains(err.Error(), b.file+want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is in:\n%v", err)
	}
}

func TestResolveNamesTheVariable(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.env["STRATA_STOP_TIMEOUT"] = "soon"
	if _, err := b.resolve(t); err == nil || !strings.HasPrefix(err.Error(), "STRATA_STOP_TIMEOUT: ") {
		t.Errorf("got %v", err)
	}
	b = setup(t, "")
	b.env["STRATA_CONFIG"] = "/does/not/exist"
	if _, err := b.resolve(t); err == nil || !strings.HasPrefix(err.Error(), "environment STRATA_CONFIG of --config: ") {
		t.Errorf("got %v", err)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := settings.Print(&out, []settings.Setting{
		{Name: "http-addr", Value: ":8080", Source: "default"},
		{Name: "layers-dir", Value: "", Source: "environment LAYERS_DIR"},
	})
	want := "SETTING     VALUE  SOURCE\n" +
		"http-addr   :8080  default\n" +
		"layers-dir  -      environment LAYERS_DIR\n"
	if err != nil || out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
