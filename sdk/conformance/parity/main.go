// Command parity holds the engines against each other: random configurations
// and contexts, evaluated in Go, TypeScript and Python, have the same answers to
// the last byte.
//
//	parity [-cases N] [-seed N] [-plant LANGUAGE:NAME]
//
// A case is one evaluation of one context. It prints one line, such as
// "fuzz-parity: 1000000 cases, 0 mismatches, seed 42", and on stderr how far it
// is and what differs. With -plant one of the engines is run with an error in
// it, which must be found. It exits with 1 if anything differs, and with 2 if it
// can not run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"

	"github.com/strata-exp/strata/sdk/conformance/language"
)

func main() {
	cases := flag.Int("cases", 1_000_000, "how many evaluations to compare, at least 1")
	seed := flag.Uint64("seed", 0, "what the cases are made from; 0 picks one")
	planted := flag.String("plant", "", "an error to run an engine with, as `LANGUAGE:NAME`; one that is unknown lists them")
	flag.Parse()
	if flag.NArg() > 0 || *cases < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, *cases, *seed, *planted, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, cases int, seed uint64, planted string, out, log io.Writer) (exitCode int) {
	for seed == 0 {
		seed = rand.Uint64()
	}
	root, err := language.Root()
	if err != nil {
		fmt.Fprintln(log, err)
		return 2
	}
	engines := map[string]engineCommand{}
	for _, l := range language.Others() {
		engines[l.Name] = inFolder(l, root, l.Folder(root))
	}
	if planted != "" {
		p, err := findPlant(planted)
		if err != nil {
			fmt.Fprintln(log, err)
			return 2
		}
		folder, err := os.MkdirTemp("", "parity")
		if err != nil {
			fmt.Fprintln(log, err)
			return 2
		}
		defer func() { _ = os.RemoveAll(folder) }()
		if p.language == "go" {
			return runPlantedGo(ctx, p, root, folder, cases, seed, out, log)
		}
		if engines[p.language], err = p.copySDK(root, folder); err != nil {
			fmt.Fprintln(log, err)
			return 2
		}
	}
	fmt.Fprintf(log, "fuzz-parity: seed %d\n", seed)
	done, found, err := compareAll(ctx, engines, cases, seed, log)
	if err != nil {
		fmt.Fprintf(log, "fuzz-parity: %v\n", err)
		return 2
	}
	mismatches := 0
	if found != nil {
		mismatches = 1
		found.explain(ctx, engines, log)
	}
	fmt.Fprintf(out, "fuzz-parity: %d cases, %d mismatches, seed %d\n", done, mismatches, seed)
	return mismatches
}
