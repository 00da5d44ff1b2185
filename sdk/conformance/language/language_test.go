package language_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-exp/strata/sdk/conformance/language"
)

// TestMissing shows that what is missing is named, and what to run.
func TestMissing(t *testing.T) {
	t.Parallel()
	for _, l := range language.Others() {
		root := t.TempDir()
		_, err := l.Command(t.Context(), root, "conformance")
		if err == nil || !strings.HasPrefix(err.Error(), l.Name+": "+l.Folder(root)) || !strings.Contains(err.Error(), "run `make "+l.Folder("")) {
			t.Errorf("%s: got %v", l.Name, err)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := language.Python.Folder(root)
	for name, mode := range map[string]os.FileMode{".venv/.installed": 0o600, ".venv/bin/python": 0o700} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\nbasename $1; echo $2"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := language.Python.Command(t.Context(), root, "conformance"); err == nil || !strings.HasSuffix(err.Error(), "conformance.py is missing") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "conformance.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command, err := language.Python.Command(t.Context(), root, "conformance", "FILE")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := command.Output(); err != nil || string(out) != "conformance.py\nFILE\n" {
		t.Errorf("ran %q, %v", out, err)
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	root, err := language.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "docs/semantics.md")); err != nil {
		t.Error(err)
	}
}
