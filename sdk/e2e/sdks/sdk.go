package sdks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
)

// Language is that of an SDK.
type Language string

// The languages.
const (
	Go         Language = "go"
	TypeScript Language = "typescript"
	Python     Language = "python"
)

// Languages are all of them.
var Languages = []Language{Go, TypeScript, Python}

// command returns how a language's driver is run.
func (l Language) command(ctx context.Context) ([]string, error) {
	_, here, _, _ := runtime.Caller(0)
	drivers := filepath.Join(filepath.Dir(here), "driver")
	sdk := filepath.Join(drivers, "..", "..", "..")
	switch l {
	case TypeScript:
		if err := exists(filepath.Join(sdk, "ts", "dist", "index.js")); err != nil {
			return nil, err
		}
		return []string{"node", "--expose-gc", filepath.Join(drivers, "driver.mjs")}, nil
	case Python:
		python := filepath.Join(sdk, "python", ".venv", "bin", "python")
		return []string{python, filepath.Join(drivers, "driver.py")}, exists(python)
	default:
		path, err := fleet.Binary(ctx, fleet.Build{Package: "github.com/strata-exp/strata/sdk/e2e/sdks/driver"})
		return []string{path}, err
	}
}

func exists(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: run `make sdks`", err)
	}
	return nil
}

// Config is what an SDK is told; see docs/sdk.md.
type Config struct {
	URL, Environment, CacheDir string
	AccessKey, SecretKey       string
	Services                   string
}

// SDK is a process with a client in it. Its methods are for one goroutine.
type SDK struct {
	Language Language
	command  *exec.Cmd
	in       io.WriteCloser
	answers  chan json.RawMessage
	mu       sync.Mutex
	changes  []Change
	changed  chan struct{} // has room for one
	stderr   *tail
}

// Change is a change that a client told of.
type Change struct {
	State    string
	Revision int64
	Keys     []string
	// At is when the client told, in microseconds since 1970.
	At int64
}

// Status is how a client is.
type Status struct {
	State       string
	Revision    int64
	StaleMillis int64 `json:"stale_millis"`
	Dropped     int64
}

// Parameter is what was read at a path.
type Parameter struct {
	Value   any
	Reason  string
	Error   string
	LayerID string `json:"layer_id"`
	EID     int32
	VID     int32
	Slot    int32
}

// Answer is what was read in an evaluation.
type Answer struct {
	Revision   int64
	Parameters []Parameter
}

// Measurement is what evaluations took: nanoseconds each, and how many bytes of
// memory the process holds after them.
type Measurement struct {
	Nanos, Memory int64
}

// Start starts an SDK. It has to be ended by Close or Kill.
func Start(ctx context.Context, l Language, c Config) (*SDK, error) {
	args, err := l.command(ctx)
	if err != nil {
		return nil, err
	}
	s := &SDK{Language: l, answers: make(chan json.RawMessage), changed: make(chan struct{}, 1), stderr: new(tail)}
	s.command = exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // it is ended by Close and Kill
	s.command.Env = append(os.Environ(),
		"STRATA_URL="+c.URL, "STRATA_ENVIRONMENT="+c.Environment, "STRATA_CACHE_DIR="+c.CacheDir,
		"STRATA_ACCESS_KEY="+c.AccessKey, "STRATA_SECRET_KEY="+c.SecretKey, "STRATA_SERVICES="+c.Services)
	s.command.Stderr = s.stderr
	if s.in, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go s.read(out)
	return s, nil
}

func (s *SDK) read(out io.Reader) {
	defer close(s.answers)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var said struct {
			Answer json.RawMessage
			Change *Change
		}
		switch err := json.Unmarshal(lines.Bytes(), &said); {
		case err != nil:
			fmt.Fprintf(s.stderr, "said %q\n", lines.Bytes())
		case said.Change != nil:
			s.mu.Lock()
			s.changes = append(s.changes, *said.Change)
			s.mu.Unlock()
			select {
			case s.changed <- struct{}{}:
			default:
			}
		default:
			s.answers <- said.Answer
		}
	}
}

// answerTime is how long an answer may take.
const answerTime = 60 * time.Second

func (s *SDK) ask(question, answer any) error {
	line, err := json.Marshal(question)
	if err != nil {
		return err
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		return s.failed(err)
	}
	select {
	case said, ok := <-s.answers:
		if !ok {
			return s.failed(io.ErrUnexpectedEOF)
		}
		return json.Unmarshal(said, answer)
	case <-time.After(answerTime):
		return s.failed(context.DeadlineExceeded)
	}
}

func (s *SDK) failed(err error) error { return fmt.Errorf("%s: %w\n%s", s.Language, err, s.stderr) }

// Evaluate evaluates and reads paths.
func (s *SDK) Evaluate(service string, user map[string]any, paths ...string) (answer Answer, err error) {
	err = s.ask(map[string]any{"do": "evaluate", "service": service, "context": user, "paths": paths}, &answer)
	return answer, err
}

// Status returns how the client is.
func (s *SDK) Status() (status Status, err error) {
	err = s.ask(map[string]any{"do": "status"}, &status)
	return status, err
}

// Measure evaluates for users in turn and reads paths, which must be integers,
// for a time.
func (s *SDK) Measure(service string, users []map[string]any, paths []string, d time.Duration) (m Measurement, err error) {
	err = s.ask(map[string]any{
		"do": "measure", "service": service, "contexts": users, "paths": paths, "millis": d.Milliseconds(),
	}, &m)
	return m, err
}

// Changes returns what the client told of up to now.
func (s *SDK) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Change(nil), s.changes...)
}

// Await waits until the client is in a state.
func (s *SDK) Await(most time.Duration, is func(Status) bool) (Status, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		status, err := s.Status()
		if err != nil || is(status) {
			return status, err
		}
		select {
		case <-s.changed:
		case <-timer.C:
			return status, s.failed(fmt.Errorf("is %+v after %v: %w", status, most, context.DeadlineExceeded))
		}
	}
}

// Close ends the process in order, and returns an error if it does not end well.
func (s *SDK) Close() error {
	err := s.in.Close()
	ended := time.AfterFunc(answerTime, s.Kill)
	defer ended.Stop()
	for range s.answers { // until its output ends
	}
	if err = errors.Join(err, s.command.Wait()); err != nil {
		return s.failed(err)
	}
	return nil
}

// Kill ends the process at once. Close frees what it leaves.
func (s *SDK) Kill() { _ = s.command.Process.Kill() }

// Stderr returns the end of what the process has said on its standard error.
func (s *SDK) Stderr() string { return s.stderr.String() }

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
