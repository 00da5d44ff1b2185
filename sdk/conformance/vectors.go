package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	conformancev1 "github.com/strata-exp/strata/gen/go/strata/conformance/v1"
)

//go:embed vectors/*.json
var vectors embed.FS

// readVectors reads a file, all files of a folder, or the project's own vectors,
// as one suite.
func readVectors(path string) (*conformancev1.Suite, error) {
	source, names, err := find(path)
	if err != nil {
		return nil, err
	}
	all := &conformancev1.Suite{}
	var errs []error
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
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
	if len(errs) == 0 && proto.Equal(all, &conformancev1.Suite{}) {
		errs = append(errs, errors.New("no cases in the vectors: a run of nothing proves nothing"))
	}
	return all, errors.Join(errs...)
}

// find returns the names of vectors files, and where they are.
func find(path string) (source fs.FS, names []string, err error) {
	if path == "" {
		names, err = fs.Glob(vectors, "vectors/*.json")
		return vectors, names, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		return os.DirFS(filepath.Dir(path)), []string{filepath.Base(path)}, nil
	}
	source = os.DirFS(path)
	names, err = fs.Glob(source, "*.json")
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no vectors in %s: want files named *.json", path)
	}
	return source, names, err
}
