package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// strata runs a command as main does, without an environment.
func strata(t *testing.T, stdin string, args ...string) (exitCode int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	exitCode = run(t.Context(), args, streams{strings.NewReader(stdin), &out, &err},
		func(string) (string, bool) { return "", false })
	return exitCode, out.String(), err.String()
}

// goldenSession compares what a person sees who runs a command with what was
// reviewed as prose in testdata/NAME.golden. It returns standard output.
func goldenSession(t *testing.T, name string, args ...string) (stdout string) {
	t.Helper()
	exitCode, stdout, stderr := strata(t, "", args...)
	compareSession(t, name, args, exitCode, stdout, stderr)
	return stdout
}

// compareSession compares a session with testdata/NAME.golden.
func compareSession(t *testing.T, name string, args []string, exitCode int, stdout, stderr string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("$ strata")
	for _, arg := range args {
		if strings.ContainsAny(arg, " {") {
			arg = "'" + arg + "'"
		}
		b.WriteString(" " + arg)
	}
	fmt.Fprintf(&b, "\n%s", stdout)
	if stderr != "" {
		fmt.Fprintf(&b, "--- standard error\n%s", stderr)
	}
	fmt.Fprintf(&b, "--- exit code %d\n", exitCode)

	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", file, b.String())
	}
}
