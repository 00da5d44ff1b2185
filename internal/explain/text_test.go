package explain_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/NAME.json is an explanation, each NAME.golden the text of it.
func TestText(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no explanations in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := new(servingv1.ServiceExplanation)
			if err := protojson.Unmarshal(data, e); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := explain.WriteText(&got, "web", e); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", golden, got.String())
			}
			for line := range bytes.Lines(got.Bytes()) {
				if bytes.HasSuffix(line, []byte(" \n")) {
					t.Errorf("blanks at the end of %q", line)
				}
			}
		})
	}
}

func TestPrintableLeavesNothingToTheTerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                 "",
		"plain ünïcode 日本": "plain ünïcode 日本",
		"\x1b[31mred":      `\u001b[31mred`,
		"a\u202eb":         `a\u202eb`,
		"tag \U000e0041":   `tag \udb40\udc41`,
		"no\u00a0break\n":  `no\u00a0break\u000a`,
	} {
		if got := explain.Printable(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
