package strata

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSurface pins the names that users see.
func TestSurface(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			names = append(names, exported(d)...)
		}
	}
	slices.Sort(names)
	want := []string{"Change", "Client", "Config", "Context", "Evaluation", "Event", "Explanation", "New", "Parameter", "Status"}
	if !slices.Equal(names, want) {
		t.Errorf("exported are %v, want %v", names, want)
	}
}

func exported(d ast.Decl) (names []string) {
	add := func(name *ast.Ident) {
		if name.IsExported() {
			names = append(names, name.Name)
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			add(d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				add(spec.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					add(name)
				}
			}
		}
	}
	return names
}

// TestDependencies pins the modules that a program links with the SDK.
func TestDependencies(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // module: what it is for
		"github.com/strata-exp/strata":                               "the SDK itself",
		"google.golang.org/protobuf":                                 "what servers send and take",
		"connectrpc.com/connect":                                     "calls",
		"github.com/cespare/xxhash/v2":                               "XXH64 of long inputs",
		"google.golang.org/genproto/googleapis/rpc":                  "details of errors",
		"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go": "options in the generated code",
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for module := range strings.FieldsSeq(string(out)) {
		linked[module] = true
		if want[module] == "" {
			t.Errorf("the SDK links %s, which is not listed", module)
		}
	}
	for module := range want {
		if !linked[module] {
			t.Errorf("the SDK does not link %s", module)
		}
	}
}
