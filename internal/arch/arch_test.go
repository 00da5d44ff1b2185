package arch_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/strata-exp/strata"
	root   = "../.."
)

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps,Standard", "./...")
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestLawOfImports holds the packages to the law of docs/architecture.md.
func TestLawOfImports(t *testing.T) {
	t.Parallel()
	for _, law := range []struct {
		who, mayNot, why string
	}{
		{`^sdk/go/engine(/|$)`, `^(internal|dataplane|controlplane|db|cmd)(/|$)`, "the engine knows of nothing but a configuration and a context"},
		{`^sdk/go(/|$)`, `^(internal|dataplane|controlplane|db|cmd)(/|$)`, "users of the SDK get the SDK alone"},
		{`^gen(/|$)`, `^(internal|dataplane|controlplane|db|cmd|sdk)(/|$)`, "generated code is at the bottom"},
		{`^dataplane(/|$)`, `^(controlplane|db|cmd)(/|$)`, "the planes meet in proto, and a data plane holds no database credentials"},
		{`^controlplane(/|$)`, `^(dataplane|cmd)(/|$)`, "the planes meet in proto"},
		{`^db(/|$)`, `^(controlplane|dataplane|cmd|sdk|gen)(/|$)`, "the database holds bytes, and does not know what they mean"},
		{`^internal(/|$)`, `^(dataplane|controlplane|db|cmd)(/|$)`, "what both planes share knows neither"},
	} {
		who, mayNot := regexp.MustCompile(law.who), regexp.MustCompile(law.mayNot)
		for _, p := range packages(t) {
			if !who.MatchString(short(p.ImportPath)) {
				continue
			}
			for _, dependency := range p.Deps {
				if strings.HasPrefix(dependency, module+"/") && mayNot.MatchString(short(dependency)) {
					t.Errorf("%s depends on %s: %s", short(p.ImportPath), short(dependency), law.why)
				}
			}
		}
	}
}

func short(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }

// TestEngineIsPure lists what the engine may import, and where.
func TestEngineIsPure(t *testing.T) {
	t.Parallel()
	const engine = module + "/sdk/go/engine"
	outside := map[string][]string{ // import: the files that may have it, empty for all
		engine + "/jsonscan":                nil,
		"github.com/cespare/xxhash/v2":      nil,
		"google.golang.org/protobuf/proto":  {"compile.go"},
		module + "/gen/go/strata/config/v1": {"compile.go"},
	}
	forbidden := []string{"context", "io", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "time"}
	files, err := filepath.Glob(root + "/sdk/go/engine/*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		seen++
		for _, imported := range imports(t, file) {
			name := filepath.Base(file)
			only, known := outside[imported]
			switch {
			case slices.Contains(forbidden, imported):
				t.Errorf("%s imports %s: the engine is pure", name, imported)
			case strings.Contains(imported, ".") && !known:
				t.Errorf("%s imports %s, which the engine may not", name, imported)
			case len(only) > 0 && !slices.Contains(only, name):
				t.Errorf("%s imports %s, which only %v may", name, imported, only)
			}
		}
	}
	if seen == 0 {
		t.Error("found no file of the engine")
	}
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range parsed.Imports {
		all = append(all, strings.Trim(spec.Path.Value, `"`))
	}
	return all
}

// TestPackagesHaveOneDoc demands exactly one package comment.
func TestPackagesHaveOneDoc(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if strings.HasPrefix(short(p.ImportPath), "gen/") || short(p.ImportPath) == "db/dbsqlc" {
			continue // generated
		}
		var documented []string
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if hasDoc(parsed) {
				documented = append(documented, file)
			}
		}
		if len(p.GoFiles) > 0 && len(documented) != 1 {
			t.Errorf("%s has package comments in %v, want one", short(p.ImportPath), documented)
		}
	}
}

func hasDoc(file *ast.File) bool { return strings.TrimSpace(file.Doc.Text()) != "" }

// TestPackageNames refuses names that say nothing.
func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		switch name := path.Base(p.ImportPath); name {
		case "util", "utils", "common", "helpers", "models", "types", "base", "misc":
			t.Errorf("%s is a package that could hold anything: name it after what it does", short(p.ImportPath))
		}
	}
}

// TestTree allows the folders of docs/architecture.md at the top, and no others.
func TestTree(t *testing.T) {
	t.Parallel()
	known := []string{
		"proto", "gen", "controlplane", "dataplane", "sdk", "db",
		"cmd", "internal", "docs", "examples", "deploy", "tools",
		"bin", "dist", // built, and ignored by git
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(known, entry.Name()) {
			t.Errorf("%s is a top-level folder that docs/architecture.md does not name", entry.Name())
		}
	}
}

// TestNoReplace keeps the module usable by others.
func TestNoReplace(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "replace ") {
		t.Error("go.mod replaces a module: whoever depends on us would not")
	}
}

// TestLinksInDocs follows the links of the Markdown pages to files.
func TestLinksInDocs(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	pages := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == ".deps"):
			return fs.SkipDir
		case filepath.Ext(file) != ".md":
			return nil
		}
		pages++
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages == 0 {
		t.Error("found no page")
	}
}
