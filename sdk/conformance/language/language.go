// Package language runs the SDKs of other languages: programs of theirs, by the
// tools that make has installed.
package language

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Language is one whose engine runs in a process of its own.
type Language struct {
	// Name is what it is called in reports.
	Name string
	// folder is that of its SDK, from the project's root.
	folder string
	// interpreter is a program in the SDK's folder, or else on the path.
	interpreter string
	extension   string
	// needs are what must be there, from the SDK's folder, and what makes it.
	needs []need
}

type need struct{ file, how string }

// The languages besides Go.
var (
	TypeScript = Language{
		Name: "typescript", folder: "sdk/ts", interpreter: "node", extension: ".mjs",
		needs: []need{
			{"node_modules", "make sdk/ts/node_modules/.package-lock.json"},
			{"dist/engine/index.js", "make sdk/ts/dist/.built"},
		},
	}
	Python = Language{
		Name: "python", folder: "sdk/python", interpreter: ".venv/bin/python", extension: ".py",
		needs: []need{{".venv/.installed", "make sdk/python/.venv/.installed"}},
	}
)

// Others returns the languages besides Go.
func Others() []Language { return []Language{TypeScript, Python} }

// Folder returns the folder of the language's SDK.
func (l Language) Folder(root string) string { return filepath.Join(root, l.folder) }

// Command returns the command that runs a program of the SDK, without its
// extension, such as "conformance". The error says what is missing, and what to
// run so that it is not.
func (l Language) Command(ctx context.Context, root, program string, args ...string) (*exec.Cmd, error) {
	return l.CommandIn(ctx, root, l.Folder(root), program, args...)
}

// CommandIn is Command for a program in another folder.
func (l Language) CommandIn(ctx context.Context, root, folder, program string, args ...string) (*exec.Cmd, error) {
	for _, n := range l.needs {
		if file := filepath.Join(l.Folder(root), n.file); !exists(file) {
			return nil, fmt.Errorf("%s: %s is missing: run `%s`", l.Name, file, n.how)
		}
	}
	interpreter := filepath.Join(l.Folder(root), l.interpreter)
	if !exists(interpreter) {
		found, err := exec.LookPath(l.interpreter)
		if err != nil {
			return nil, fmt.Errorf("%s: %s is missing: install it", l.Name, l.interpreter)
		}
		interpreter = found
	}
	script := filepath.Join(folder, program+l.extension)
	if !exists(script) {
		return nil, fmt.Errorf("%s: %s is missing", l.Name, script)
	}
	return exec.CommandContext(ctx, interpreter, append([]string{script}, args...)...), nil //nolint:gosec // the project's own programs
}

// Root returns the folder of the project that the working directory is in.
func Root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if exists(filepath.Join(folder, "go.mod")) && exists(filepath.Join(folder, "sdk/conformance")) {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("not in the project: want a folder with go.mod and sdk/conformance above the working directory")
		}
		folder = parent
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
