package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// mode makes this test binary an engine that speaks the protocol.
const mode = "PARITY_TEST_ENGINE"

func TestMain(m *testing.M) {
	if how := os.Getenv(mode); how != "" {
		if err := serve(how, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve answers with Go's engine, but for what how says.
func serve(how string, in io.Reader, out io.Writer) error {
	engine := &goEngine{}
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var asked struct {
			Snapshot []byte
			Requests []request
		}
		if err := json.Unmarshal(text, &asked); err != nil {
			return err
		}
		snapshot := &configv1.Snapshot{}
		if err := proto.Unmarshal(asked.Snapshot, snapshot); err != nil {
			return err
		}
		answer, err := engine.answer(snapshot, asked.Requests)
		if err != nil {
			return err
		}
		switch how {
		case "null is none":
			answer = bytes.ReplaceAll(answer, []byte(`,"null",`), []byte(`,null,`))
		case "takes everything":
			answer = bytes.ReplaceAll(answer, []byte(`{"refused":true}`), []byte(`{"answers":[],"changed":[]}`))
		case "ends":
			if bytes.Contains(answer, []byte("__proto__")) {
				return errors.New("__proto__ is not for us")
			}
		case "writes in another way":
			var value any
			if err := json.Unmarshal(answer, &value); err != nil {
				return err
			}
			if answer, err = json.MarshalIndent(value, "", " "); err != nil {
				return err
			}
			answer = bytes.ReplaceAll(answer, []byte("\n"), nil)
		}
		if _, err := out.Write(append(answer, '\n')); err != nil {
			return err
		}
	}
}

func testEngine(t *testing.T, how string) engineCommand {
	t.Helper()
	return func(ctx context.Context) (*exec.Cmd, error) {
		command := exec.CommandContext(ctx, os.Args[0])
		command.Env = append(os.Environ(), mode+"="+how)
		return command, nil
	}
}

func TestNoMismatch(t *testing.T) {
	t.Parallel()
	engines := map[string]engineCommand{"one": testEngine(t, "right"), "other": testEngine(t, "writes in another way")}
	done, found, err := compareAll(t.Context(), engines, 20_050, 7, io.Discard)
	if done != 20_050 || found != nil || err != nil {
		t.Errorf("%d cases, found %v, %v", done, found, err)
	}
}

// TestMismatch shows that what is wrong in an engine is found and told.
func TestMismatch(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"null is none":     `wrong: {"answers":[[`,
		"takes everything": `wrong: {"answers":[],"changed":[]}`,
		"ends":             "__proto__ is not for us",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			engines := map[string]engineCommand{"right": testEngine(t, "right"), "wrong": testEngine(t, how)}
			_, found, err := compareAll(t.Context(), engines, 100_000, 7, io.Discard)
			if err != nil || found == nil || found.engine != "wrong" {
				t.Fatalf("found %v, %v", found, err)
			}
			var log strings.Builder
			found.explain(t.Context(), engines, &log)
			for _, part := range []string{"wrong differs from go at configuration", "\nconfiguration: {", "\nline: {", "\nright: {", "\ngo: {", want} {
				if !strings.Contains(log.String(), part) {
					t.Errorf("%q is not in\n%s", part, log.String())
				}
			}
			if strings.Contains(log.String(), "at first") || strings.Count(log.String(), `"layer_id"`) > 1 {
				t.Errorf("not made small:\n%s", log.String())
			}
		})
	}
}

// TestSource shows that a seed makes the same cases, as many as were asked for,
// and that they say something.
func TestSource(t *testing.T) {
	t.Parallel()
	const cases = 10_010
	a, b, golang := newSource(3, cases), newSource(3, cases), &goEngine{}
	made, refused, matched, exposed := 0, 0, 0, 0
	for one := a.batch(); one != nil; one = a.batch() {
		same := b.batch()
		one.line, _ = line(one.snapshot, one.requests)
		if text, err := line(same.snapshot, same.requests); err != nil || !bytes.Equal(text, one.line) || bytes.IndexByte(text, '\n') != len(text)-1 {
			t.Fatalf("made %s\nthen %s (%v)", one.line, text, err)
		}
		made += len(one.requests)
		got, err := golang.answer(one.snapshot, one.requests)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, []byte(`{"refused":true}`)) {
			if len(one.requests) > 0 {
				t.Fatalf("a valid configuration was refused: %s", jsonOf(one.snapshot))
			}
			refused++
		}
		var answers struct{ Answers [][]any }
		if err := json.Unmarshal(got, &answers); err != nil {
			t.Fatal(err)
		}
		for _, answer := range answers.Answers {
			matched += min(1, len(answer[1].([]any)))
			for _, reading := range answer[4].([]any) {
				exposed += min(1, len(reading.([]any)[3].([]any)))
			}
		}
	}
	if made != cases || refused == 0 || matched < cases/3 || exposed < cases/10 {
		t.Errorf("%d cases, %d refused, %d matched, %d exposed", made, refused, matched, exposed)
	}
}

func TestUnknownPlant(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	if code := run(t.Context(), 1, 1, "go:nothing", &out, &log); code != 2 || !strings.Contains(log.String(), "want one of go:slot") || out.Len() > 0 {
		t.Errorf("exit code %d, %s%s", code, out.String(), log.String())
	}
}
