// Command conformance runs the engines over test vectors and prints one line
// for each language: how many cases passed and how many failed.
//
//	conformance [-vectors FILE|FOLDER]
//
// Without -vectors it runs the project's own. It exits with 1 if any case
// failed, and with 2 if the vectors can not be read or a language's tools are
// missing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/strata-exp/strata/sdk/conformance/language"
)

func main() {
	path := flag.String("vectors", "", "a vectors `file`, or a folder of them; the project's own if empty")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := 2
	if runners, err := others(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = run(ctx, *path, runners, os.Stdout, os.Stderr)
	}
	stop()
	os.Exit(code)
}

// others are the runners of the languages besides Go.
func others() ([]runner, error) {
	root, err := language.Root()
	if err != nil {
		return nil, err
	}
	var all []runner
	for _, l := range language.Others() {
		all = append(all, runner{l.Name, func(ctx context.Context, file string) (*exec.Cmd, error) {
			return l.Command(ctx, root, "conformance", file)
		}})
	}
	return all, nil
}

func run(ctx context.Context, path string, runners []runner, out, problems io.Writer) (exitCode int) {
	folder, err := os.MkdirTemp("", "conformance")
	if err != nil {
		fmt.Fprintln(problems, err)
		return 2
	}
	defer func() { _ = os.RemoveAll(folder) }()
	cases, err := write(path, filepath.Join(folder, "prepared.json"))
	if err != nil {
		fmt.Fprintln(problems, err)
		return 2
	}
	running, err := start(ctx, runners, filepath.Join(folder, "prepared.json"))
	if err != nil {
		fmt.Fprintln(problems, err)
		return 2
	}
	for _, r := range append([]report{checkAll(cases)}, wait(running, cases)...) {
		for _, f := range r.failures {
			fmt.Fprintf(problems, "%s: %s\n", r.name, f)
		}
		fmt.Fprintf(out, "%s: %d passed, %d failed\n", r.name, r.passed, r.failed)
		if r.failed > 0 {
			exitCode = 1
		}
	}
	return exitCode
}

// write prepares vectors and writes them to a file.
func write(path, file string) (*prepared, error) {
	suite, err := readVectors(path)
	if err != nil {
		return nil, err
	}
	cases := prepare(suite)
	text, err := json.Marshal(cases)
	if err != nil {
		return nil, errors.Join(errors.New("vectors can not be prepared"), err)
	}
	return cases, os.WriteFile(file, text, 0o600)
}
