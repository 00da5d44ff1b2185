package manifest_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// seed adds the files of testdata in both formats.
func seed(f *testing.F, pattern string) {
	f.Helper()
	for _, folder := range []string{"good", "broken", "refused"} {
		names, err := filepath.Glob(filepath.Join("testdata", folder, pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(false, data)
			f.Add(true, data)
		}
	}
	for _, text := range []string{"", "{}", "null", "[", "a: &a [*a]", "? ? :", "- - -\n-", "!<x> {}", "\xef\xbb\xbf{}", "{a: |\n  b}", "%TAG ! a\n---\n!b c"} {
		f.Add(false, []byte(text))
		f.Add(true, []byte(text))
	}
}

// decodeTwice checks what holds for all input: there is a message or there are
// faults, and the second time the same.
func decodeTwice[M proto.Message](t *testing.T, decode func(string, []byte) (M, manifest.Faults), yaml bool, data []byte) (M, bool) {
	t.Helper()
	file := "x.json"
	if yaml {
		file = "x.yaml"
	}
	message, faults := decode(file, data)
	again, faultsAgain := decode(file, data)
	if message.ProtoReflect().IsValid() == (len(faults) > 0) {
		t.Fatalf("got message %v with faults %v", message, faults)
	}
	if !proto.Equal(message, again) || !reflect.DeepEqual(faults, faultsAgain) {
		t.Fatalf("got %v, %v and then %v, %v", message, faults, again, faultsAgain)
	}
	for _, fault := range faults {
		if fault.File != file || fault.Problem == "" || fault.Line < 0 || fault.Line > 2+len(data) {
			t.Fatalf("got the fault %#v", fault)
		}
	}
	if len(faults) > 0 {
		return message, false
	}
	if _, err := proto.Marshal(message); err != nil {
		t.Fatalf("can not be sent: %v", err)
	}
	return message, true
}

func FuzzDecodeLayer(f *testing.F) {
	seed(f, "layers/*")
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		decodeTwice(t, manifest.DecodeLayer, yaml, data)
	})
}

func FuzzDecodeExperiment(f *testing.F) {
	seed(f, "experiments/*")
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		experiment, ok := decodeTwice(t, manifest.DecodeExperiment, yaml, data)
		if !ok {
			return
		}
		for _, variant := range experiment.GetVariants() {
			s := jsonscan.New(variant.GetParamsJson())
			if s.Kind() != jsonscan.Object || s.Skip() != variant.GetParamsJson() || !s.End() {
				t.Fatalf("params are no JSON object: %s: %v", variant.GetParamsJson(), s.Err())
			}
		}
	})
}

func FuzzDecodeFields(f *testing.F) {
	seed(f, "fields.*")
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		file := "x.json"
		if yaml {
			file = "x.yaml"
		}
		fields, faults := manifest.DecodeFields(file, data)
		if fields != nil && faults != nil {
			t.Fatalf("got %v with faults %v", fields, faults)
		}
	})
}

// What can be decoded can be written, in both formats, and decoded again to the
// same.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"layers/*", "experiments/*", "fields.*", "../written/*"} {
		seed(f, pattern)
	}
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		file := "x.json"
		if yaml {
			file = "x.yaml"
		}
		for _, decode := range []func(string, []byte) (*manifest.Set, manifest.Faults){manifest.Decode, manifest.DecodeBundle} {
			set, faults := decode(file, data)
			if (set == nil) != (len(faults) > 0) {
				t.Fatalf("got %v with faults %v", set, faults)
			}
			if set == nil {
				continue
			}
			for name, format := range formats {
				text := encoded(t, set, format)
				again, faults := manifest.DecodeBundle(name, []byte(text))
				if faults != nil {
					t.Fatalf("%v\n%s", faults, text)
				}
				sameSet(t, again, set)
			}
		}
	})
}
