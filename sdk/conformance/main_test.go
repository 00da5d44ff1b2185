package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOwnVectors(t *testing.T) {
	t.Parallel()
	var out, problems bytes.Buffer
	if code := run("", &out, &problems); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), problems.String())
	}
	var passed, failed int
	if _, err := fmt.Sscanf(out.String(), "go: %d passed, %d failed\n", &passed, &failed); err != nil || passed < 300 || failed != 0 {
		t.Errorf("printed %q, want at least 300 passed", out.String())
	}
}

// TestNamesAreUnique holds the project's own vectors to it, since a failure is
// told by its name alone.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	suite, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, check := range checks(suite) {
		if check.name == "" || seen[check.name] {
			t.Errorf("the name %q is empty or stands twice", check.name)
		}
		seen[check.name] = true
	}
}

// TestWrongVectors shows that a case can fail, in each list, and that what the
// runner does not know is refused.
func TestWrongVectors(t *testing.T) {
	t.Parallel()
	const config = `"config":{"layers":[],"experiments":[]},"request":{"services":["s"]}`
	for name, c := range map[string]struct {
		suite string
		code  int
		want  string
	}{
		"hash":         {`{"hashes":[{"name":"x","input":"a","hash":"0000000000000000"}]}`, 1, "d24ec4f1a98c6e5b"},
		"slot":         {`{"slots":[{"name":"x","salt":"click_exp_2024","key":"user_12345","slot":7623}]}`, 1, "got 7622, want 7623"},
		"key":          {`{"keys":[{"name":"x","value":1.5,"key":"1.5"}]}`, 1, "got a key: false, want true"},
		"rule":         {`{"rules":[{"name":"x","rule":{"type":"field","field":"f","op":"eq","values":[1]},"context":{},"truth":"TRUTH_FALSE"}]}`, 1, "TRUTH_UNKNOWN"},
		"merge":        {`{"merges":[{"name":"x","params":[{"a":1},{"a":2}],"merged":{"a":2}}]}`, 1, `got {"a":1}, want {"a":2}`},
		"case":         {`{"cases":[{"name":"x",` + config + `,"results":{"s":{"parameters":{},"vids":[7]}}}]}`, 1, "got [], want [7]"},
		"fault":        {`{"cases":[{"name":"x","config":{"layers":[{"layer":"typo"}]},"request":{"services":["s"]}}]}`, 1, "layers[0].layer: unknown key"},
		"unknown list": {`{"guesses":[]}`, 2, "guesses"},
		"no cases":     {`{}`, 2, "no cases"},
		"no JSON":      {`x`, 2, "vectors.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "vectors.json")
			if err := os.WriteFile(file, []byte(c.suite), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, problems bytes.Buffer
			if code := run(file, &out, &problems); code != c.code || !strings.Contains(problems.String(), c.want) {
				t.Errorf("exit code %d, problems %q; want %d and %q", code, problems.String(), c.code, c.want)
			}
			if c.code == 1 && out.String() != "go: 0 passed, 1 failed\n" {
				t.Errorf("printed %q", out.String())
			}
		})
	}
}
