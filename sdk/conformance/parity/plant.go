package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/sdk/conformance/language"
)

// plant is an error of an engine: a line of it, replaced.
type plant struct {
	language, name string
	// file is where the line stands: of Go from the project's root, else from the
	// SDK's folder. TypeScript runs what was built.
	file     string
	old, new string
}

// findPlant returns the plant that is called LANGUAGE:NAME.
func findPlant(name string) (plant, error) {
	names := make([]string, len(plants))
	for i, p := range plants {
		names[i] = p.language + ":" + p.name
	}
	i := slices.Index(names, name)
	if i < 0 {
		return plant{}, fmt.Errorf("the plant %s is unknown: want one of %s", name, strings.Join(names, ", "))
	}
	return plants[i], nil
}

// apply returns the text of the file with the error in it.
func (p plant) apply(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), p.old); n != 1 {
		return nil, fmt.Errorf("the plant %s:%s replaces %q, which stands in %s %d times: want once", p.language, p.name, p.old, file, n)
	}
	return []byte(strings.Replace(string(text), p.old, p.new, 1)), nil
}

// copySDK copies what an SDK needs to run to a folder, with the error in it.
func (p plant) copySDK(root, folder string) (engineCommand, error) {
	i := slices.IndexFunc(language.Others(), func(l language.Language) bool { return l.Name == p.language })
	l := language.Others()[i]
	from := l.Folder(root)
	text, err := p.apply(filepath.Join(from, p.file))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"dist", "src", "parity.mjs", "parity.py", "package.json", "node_modules"} {
		if err := copyPart(filepath.Join(from, name), filepath.Join(folder, name)); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(folder, p.file), text, 0o600); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*exec.Cmd, error) {
		command, err := l.CommandIn(ctx, root, folder, "parity")
		if err == nil {
			// Before the SDK that is installed.
			command.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(folder, "src"))
		}
		return command, err
	}, nil
}

// copyPart copies a file or folder, if there is one. Dependencies are many, and
// only linked.
func copyPart(from, to string) error {
	info, err := os.Stat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case filepath.Base(from) == "node_modules":
		return os.Symlink(from, to)
	case info.IsDir():
		return copyFolder(from, to)
	default:
		return copyFile(from, to)
	}
}

// copyFolder copies the files of a folder. What is linked in it stays linked.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.Name() == "__pycache__":
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type()&fs.ModeSymlink != 0:
			linked, err := filepath.EvalSymlinks(path)
			if err != nil {
				return err
			}
			return os.Symlink(linked, target) //nolint:gosec // in a folder of our own
		default:
			return copyFile(path, target)
		}
	})
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600) //nolint:gosec // in a folder of our own
}

// runPlantedGo builds this command with an error in Go's engine, and runs it.
func runPlantedGo(ctx context.Context, p plant, root, folder string, cases int, seed uint64, out, log io.Writer) (exitCode int) {
	err := p.buildGo(ctx, root, folder)
	if err == nil {
		command := exec.CommandContext(ctx, filepath.Join(folder, "parity"), //nolint:gosec // what was just built
			"-cases", strconv.Itoa(cases), "-seed", strconv.FormatUint(seed, 10))
		command.Stdout, command.Stderr = out, log
		err = command.Run()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(log, err)
		return 2
	}
	return 0
}

func (p plant) buildGo(ctx context.Context, root, folder string) error {
	original, planted := filepath.Join(root, p.file), filepath.Join(folder, "planted.go")
	text, err := p.apply(original)
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: planted}})
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(planted, text, 0o600),
		os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o600),
	); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-overlay", filepath.Join(folder, "overlay.json"), //nolint:gosec // the project's own package
		"-o", filepath.Join(folder, "parity"), "./sdk/conformance/parity")
	command.Dir = root
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("the planted engine can not be built: %w\n%s", err, text)
	}
	return nil
}
