package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/db/dbtest"
	"github.com/strata-exp/strata/internal/settings"
)

// TestMain keeps the tests away from the access keys of who runs them.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "strata-home-")
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME"} {
		err = errors.Join(err, os.Setenv(name, home))
	}
	if err != nil {
		panic(err)
	}
	dbtest.Main(m, goleak.Cleanup(func(exitCode int) {
		_ = os.RemoveAll(home)
		os.Exit(exitCode)
	}))
}

// command runs a command line to its end.
func command(t *testing.T, env map[string]string, args ...string) (code int, out, errors string) {
	t.Helper()
	return commandWith(t, strings.NewReader(""), env, args...)
}

// commandWith is command with something on standard input.
func commandWith(t *testing.T, stdin io.Reader, env map[string]string, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), args, streams{stdin, &stdout, &stderr}, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	return code, stdout.String(), stderr.String()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		args     []string
		code     int
		out, err string // parts of the output
	}{
		{"version", []string{"version"}, 0, "strata ", ""},
		{"help", []string{"--help"}, 0, "dataplane", ""},
		{"help of the data plane", []string{"dataplane", "--help"}, 0, "--layers-dir", ""},
		{"completion", []string{"completion", "bash"}, 0, "strata", ""},
		{"unknown command", []string{"datplane"}, 1, "", "unknown command"},
		{"unknown flag", []string{"dataplane", "--layer-dir", "x"}, 1, "", "strata: unknown flag: --layer-dir"},
		{"an argument", []string{"dataplane", "x"}, 1, "", "unknown command"},
		{"no folders", []string{"dataplane"}, 1, "", "--experiments-dir: want the folder"},
		{"bad level", []string{"dataplane", "--log-level", "loud"}, 1, "", "--log-level"},
		{"bad format", []string{"dataplane", "--log-format", "xml"}, 1, "", "--log-format"},
		{"bad output", []string{"config", "print", "dataplane", "-o", "xml"}, 1, "", "--output"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, out, errors := command(t, nil, test.args...)
			if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errors, test.err) {
				t.Errorf("exit code %d\nout: %s\nerr: %s", code, out, errors)
			}
			if code != 0 && (out != "" || strings.Contains(errors, "Usage:")) {
				t.Errorf("an error prints more than itself:\nout: %s\nerr: %s", out, errors)
			}
		})
	}
}

func TestDataplaneNamesEveryFault(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"layers/a.json":      `{"layer_id": 7}`,
		"layers/b.yaml":      "layer_id: [",
		"experiments/c.json": `{}`,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errors := command(t, map[string]string{
		"LAYERS_DIR": filepath.Join(root, "layers"), "EXPERIMENTS_DIR": filepath.Join(root, "experiments"),
	}, "dataplane", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"layers/a.json:1", "layers/b.yaml:", "experiments/c.json:1"} {
		if !strings.Contains(errors, want) {
			t.Errorf("%s is not in:\n%s", want, errors)
		}
	}
}

func TestConfigPrint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "strata.yaml")
	if err := os.WriteFile(file, []byte("experiments_dir: /e\nmetrics_addr: \":1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"LAYERS_DIR": "/l", "STRATA_METRICS_ADDR": ":2", "STRATA_CONFIG": file, "RUST_LOG": "debug"}
	code, out, errors := command(t, env, "config", "print", "dataplane", "--http-addr", ":3", "-o", "json")
	var all []settings.Setting
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errors)
	}
	want := map[string][2]string{
		"config":          {file, "environment STRATA_CONFIG"},
		"drain-delay":     {"200ms", "default"},
		"experiments-dir": {"/e", "file " + file + ":1"},
		"fields-file":     {"", "default"},
		"http-addr":       {":3", "flag"},
		"layers-dir":      {"/l", "environment LAYERS_DIR"},
		"log-format":      {"json", "default"},
		"log-level":       {"debug", "environment RUST_LOG"},
		"metrics-addr":    {":2", "environment STRATA_METRICS_ADDR"},
		"stop-timeout":    {"10s", "default"},
	}
	for _, s := range all {
		if _, ok := want[s.Name]; !ok && s.Source == "default" {
			continue
		}
		if w := want[s.Name]; w != [2]string{s.Value, s.Source} {
			t.Errorf("%s is %q from %q, want %q", s.Name, s.Value, s.Source, w)
		}
		delete(want, s.Name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
	if code, out, _ := command(t, env, "config", "print", "dataplane"); code != 0 || !strings.HasPrefix(out, "SETTING ") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestDataplaneStopsCleanly starts the command and ends its context, as a signal
// does.
func TestDataplaneStopsCleanly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, folder := range []string{"layers", "experiments"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := &signalled{text: "listening", seen: make(chan struct{})}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{
			"dataplane", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--drain-delay", "0s",
			"--layers-dir", filepath.Join(root, "layers"), "--experiments-dir", filepath.Join(root, "experiments"),
		}, streams{strings.NewReader(""), &strings.Builder{}, log}, func(string) (string, bool) { return "", false })
	}()
	<-log.seen
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

// signalled is a log that tells when a text has been written.
type signalled struct {
	text string
	seen chan struct{}
	done bool
}

func (s *signalled) Write(p []byte) (int, error) {
	if !s.done && strings.Contains(string(p), s.text) {
		s.done = true
		close(s.seen)
	}
	return len(p), nil
}
