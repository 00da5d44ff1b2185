package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOwnVectors(t *testing.T) {
	t.Parallel()
	var out, problems bytes.Buffer
	if code := run(t.Context(), "", nil, &out, &problems); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), problems.String())
	}
	var passed, failed int
	if _, err := fmt.Sscanf(out.String(), "go: %d passed, %d failed\n", &passed, &failed); err != nil || passed < 1000 || failed != 0 {
		t.Errorf("printed %q, want at least 1000 passed", out.String())
	}
}

// TestNamesAreUnique holds the project's own vectors to it, since a failure is
// told by its name alone.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	suite, err := readVectors("")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, check := range checks(prepare(suite)) {
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
	const nothing = `"config":{"layers":[],"experiments":[]}`
	const one = `"config":{"layers":[{"layer_id":"l","priority":1,"hash_key":"u","salt":"s","ranges":[{"start":0,"end":10000,"vid":7}]}],` +
		`"experiments":[{"eid":3,"service":"s","variants":[{"vid":7,"params":{"a":1}}]}]},"service":"s","context":{"u":"x"}`
	for name, c := range map[string]struct {
		suite string
		code  int
		want  string
	}{
		"hash":          {`{"hashes":[{"name":"x","input":"a","hash":"0000000000000000"}]}`, 1, "d24ec4f1a98c6e5b"},
		"slot":          {`{"slots":[{"name":"x","salt":"click_exp_2024","key":"user_12345","slot":7623}]}`, 1, "got 7622, want 7623"},
		"key":           {`{"keys":[{"name":"x","value":1.5,"key":"1.5"}]}`, 1, "got a key: false, want true"},
		"rule":          {`{"rules":[{"name":"x","rule":{"type":"field","field":"f","op":"eq","values":[1]},"context":{},"truth":"TRUTH_FALSE"}]}`, 1, "TRUTH_UNKNOWN"},
		"no rule":       {`{"rules":[{"name":"x","truth":"TRUTH_FALSE"}]}`, 1, "x: has no rule"},
		"no truth":      {`{"rules":[{"name":"x","rule":{"type":"field","field":"f","op":"eq","values":[1]}}]}`, 1, "x: has no truth"},
		"merge":         {`{"merges":[{"name":"x","params":[{"a":1},{"a":2}],"merged":{"a":2}}]}`, 1, `got {"a":1}, want {"a":2}`},
		"case":          {`{"cases":[{"name":"x",` + nothing + `,"request":{"services":["s"]},"results":{"s":{"parameters":{},"vids":[7]}}}]}`, 1, "got [], want [7]"},
		"no service":    {`{"cases":[{"name":"x",` + nothing + `,"request":{}}]}`, 1, "x: the request names no service"},
		"other service": {`{"cases":[{"name":"x",` + nothing + `,"request":{"services":["s"]},"results":{"t":{}}}]}`, 1, "x: results name service t"},
		"exposures":     {`{"cases":[{"name":"x",` + nothing + `,"request":{"services":["s"],"exposures":"EXPOSURE_MODE_RETURN"}}]}`, 1, "x: the request asks for exposures"},
		"leaves":        {`{"cases":[{"name":"x",` + nothing + `,"request":{"services":["s"]},"results":{"s":{"leaves":[{}]}}}]}`, 1, "x: the results have exposures"},
		"typo":          {`{"cases":[{"name":"x","config":{"layers":[{"layer":"typo"}]},"request":{"services":["s"]}}]}`, 1, "x: config.json:1: layers[0].layer: unknown key"},
		"fault":         {`{"cases":[{"name":"x","config":{"experiments":[{"eid":1,"service":"s","variants":[]}]},"request":{"services":["s"]}}]}`, 1, "x: experiment 1: variants: are missing"},
		"read value":    {`{"reads":[{"name":"x",` + one + `,"path":"b","value":1}]}`, 1, `got "", want "1"`},
		"read no value": {`{"reads":[{"name":"x",` + one + `,"path":"a"}]}`, 1, `got "1", want ""`},
		"read null":     {`{"reads":[{"name":"x",` + one + `,"path":"b","value":null}]}`, 1, `got "", want "null"`},
		"read known":    {`{"reads":[{"name":"x",` + one + `,"path":"b","known":true}]}`, 1, "got false, want true"},
		"read winner":   {`{"reads":[{"name":"x",` + one + `,"path":"a","value":1,"winner":"other"}]}`, 1, "got l, want other"},
		"read exposure": {`{"reads":[{"name":"x",` + one + `,"path":"a","exposures":[{"layer_id":"l","eid":3,"vid":7,"slot":1}]}]}`, 1, "Slot:1 Hidden:false}]"},
		"unknown list":  {`{"guesses":[]}`, 2, "guesses"},
		"no cases":      {`{"cases":[]}`, 2, "no cases"},
		"no JSON":       {`x`, 2, "vectors.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, problems bytes.Buffer
			if code := run(t.Context(), vectorsFile(t, c.suite), nil, &out, &problems); code != c.code || !strings.Contains(problems.String(), c.want) {
				t.Errorf("exit code %d, problems %q; want %d and %q", code, problems.String(), c.code, c.want)
			}
			if c.code == 1 && out.String() != "go: 0 passed, 1 failed\n" || c.code == 2 && out.Len() > 0 {
				t.Errorf("printed %q", out.String())
			}
		})
	}
}

func vectorsFile(t *testing.T, suite string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vectors.json")
	if err := os.WriteFile(file, []byte(suite), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRunners shows what is made of the reports of other languages.
func TestRunners(t *testing.T) {
	t.Parallel()
	const good = `{"name":"good","salt":"click_exp_2024","key":"user_12345","slot":7622}`
	const typo = `"cases":[{"name":"typo","config":{"layers":[{"layer":"typo"}]},"request":{"services":["s"]}}]`
	for name, c := range map[string]struct {
		suite, script string
		code          int
		out, problems string
	}{
		"passed":        {`{"slots":[` + good + `]}`, `echo "other: 1 passed, 0 failed"`, 0, "go: 1 passed, 0 failed\nother: 1 passed, 0 failed\n", ""},
		"failed":        {`{"slots":[` + good + `]}`, `echo "other: good: wrong" >&2; echo "other: 0 passed, 1 failed"; exit 1`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", "other: good: wrong\n"},
		"broken cases":  {`{"slots":[` + good + `],` + typo + `}`, `grep -q good "$1" && ! grep -q typo "$1" && echo "other: 1 passed, 0 failed"`, 1, "go: 1 passed, 1 failed\nother: 1 passed, 1 failed\n", "other: typo: config.json"},
		"other count":   {`{"slots":[` + good + `]}`, `echo "other: 2 passed, 0 failed"`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", "other: the runner counted 2 cases, go 1"},
		"silent":        {`{"slots":[` + good + `]}`, `true`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", `other: the runner printed "" and ended with <nil>`},
		"crashed":       {`{"slots":[` + good + `]}`, `echo Traceback >&2; exit 3`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", "other: Traceback\nother: the runner printed \"\" and ended with exit status 3\n"},
		"chatty":        {`{"slots":[` + good + `]}`, `echo "other: 1 passed, 0 failed"; echo more`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", "the runner printed"},
		"contradiction": {`{"slots":[` + good + `]}`, `echo "other: 1 passed, 0 failed"; exit 1`, 1, "go: 1 passed, 0 failed\nother: 0 passed, 1 failed\n", "ended with exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := runner{"other", func(ctx context.Context, file string) (*exec.Cmd, error) {
				return exec.CommandContext(ctx, "sh", "-c", c.script, "sh", file), nil
			}}
			var out, problems bytes.Buffer
			if code := run(t.Context(), vectorsFile(t, c.suite), []runner{other}, &out, &problems); code != c.code || out.String() != c.out {
				t.Errorf("exit code %d, printed %q; want %d and %q", code, out.String(), c.code, c.out)
			}
			if !strings.Contains(problems.String(), c.problems) {
				t.Errorf("problems %q, want %q", problems.String(), c.problems)
			}
		})
	}
}

// TestMissingTools shows that a language is never left out.
func TestMissingTools(t *testing.T) {
	t.Parallel()
	missing := runner{"other", func(context.Context, string) (*exec.Cmd, error) { return nil, errors.New("run `make other`") }}
	var out, problems bytes.Buffer
	if code := run(t.Context(), "", []runner{missing}, &out, &problems); code != 2 || out.Len() > 0 || problems.String() != "run `make other`\n" {
		t.Errorf("exit code %d, printed %q, problems %q", code, out.String(), problems.String())
	}
}
