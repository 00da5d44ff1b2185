// Command conformance runs the engines over test vectors and prints one line
// for each language: how many cases passed and how many failed.
//
//	conformance [-vectors FILE|FOLDER]
//
// Without -vectors it runs the project's own. It exits with 1 if any case
// failed, and with 2 if the vectors can not be read.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	conformancev1 "github.com/strata-exp/strata/gen/go/strata/conformance/v1"
)

//go:embed vectors/*.json
var vectors embed.FS

func main() {
	path := flag.String("vectors", "", "a vectors `file`, or a folder of them; the project's own if empty")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	os.Exit(run(*path, os.Stdout, os.Stderr))
}

func run(path string, out, problems io.Writer) (exitCode int) {
	suite, err := load(path)
	if err != nil {
		fmt.Fprintln(problems, err)
		return 2
	}
	passed, failed := 0, 0
	for _, check := range checks(suite) {
		if err := check.run(); err != nil {
			failed++
			fmt.Fprintf(problems, "go: %s: %v\n", check.name, err)
		} else {
			passed++
		}
	}
	fmt.Fprintf(out, "go: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}

// load reads a file, all files of a folder, or the project's own vectors, as
// one suite.
func load(path string) (*conformancev1.Suite, error) {
	folder, pattern := fs.FS(vectors), "vectors/*.json"
	if path != "" {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			folder, pattern = os.DirFS(path), "*.json"
		default:
			folder, pattern = os.DirFS(filepath.Dir(path)), filepath.Base(path)
		}
	}
	names, err := fs.Glob(folder, pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no vectors in %s: want files named *.json", path)
	}
	all := &conformancev1.Suite{}
	var errs []error
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		suite := &conformancev1.Suite{}
		if err := protojson.Unmarshal(text, suite); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		proto.Merge(all, suite)
	}
	if len(errs) == 0 && len(checks(all)) == 0 {
		errs = append(errs, errors.New("no cases in the vectors: a run of nothing proves nothing"))
	}
	return all, errors.Join(errs...)
}
