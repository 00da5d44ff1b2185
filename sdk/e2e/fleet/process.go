package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startTime is how long a process may take until it listens.
	startTime = 30 * time.Second
	// stopTime is how long one may take to stop in order.
	stopTime = 20 * time.Second
)

// Record is a line of a process's log.
type Record map[string]any

// Text returns an attribute of a record.
func (r Record) Text(name string) string {
	text, _ := r[name].(string)
	return text
}

// Process is a program that is started, killed and started again, with the same
// arguments. Its methods are for one goroutine.
type Process struct {
	Name    string
	path    string
	args    []string
	env     []string
	logFile string
	onLog   func(Record)
	onStart func()

	command *exec.Cmd
	crash   string        // what it said that it never should; to be read when it is gone
	done    chan struct{} // closed when the process is gone and its log read
	waitErr error
}

// starts runs on one thread that never ends: the system kills a process whose
// parent death signal is set with the thread that started it.
var starts = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Start starts the process and returns once it says that it listens.
func (p *Process) Start(ctx context.Context) error {
	if p.onStart != nil {
		p.onStart()
	}
	listening, err := p.launch()
	if err != nil {
		return err
	}
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case <-listening:
		return nil
	case <-p.done:
		return fmt.Errorf("%s ended before it listened: %w; see %s", p.Name, p.waitErr, p.logFile)
	case <-ctx.Done():
		p.Kill()
		return ctx.Err()
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s does not listen after %v; see %s", p.Name, startTime, p.logFile)
	}
}

// launch starts the process. The channel is closed once it says that it listens.
func (p *Process) launch() (<-chan struct{}, error) {
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.Command(p.path, p.args...) //nolint:gosec,noctx // it is ended by Kill and Stop
	command.Env = append(os.Environ(), p.env...)
	command.SysProcAttr = attributes()
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	started := make(chan error)
	starts() <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, errors.Join(err, log.Close())
	}
	listening, done := make(chan struct{}), make(chan struct{})
	p.command, p.done = command, done
	go func() {
		defer close(done)
		p.read(stderr, log, listening)
		p.waitErr = command.Wait()
		_ = log.Close()
	}()
	return listening, nil
}

// read copies a log, and looks at its records.
func (p *Process) read(r io.Reader, log io.Writer, listening chan<- struct{}) {
	told := false
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, _ = log.Write(append(lines.Bytes(), '\n'))
		var record Record
		if json.Unmarshal(lines.Bytes(), &record) != nil {
			if p.crash == "" && isCrash(lines.Text()) {
				p.crash = lines.Text()
			}
			continue
		}
		if record.Text("msg") == "listening" && !told {
			told = true
			close(listening)
		}
		if p.onLog != nil {
			p.onLog(record)
		}
	}
}

// isCrash reports whether Go itself says a line, and not the program.
func isCrash(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.Contains(line, "WARNING: DATA RACE")
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	if p.command == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the process has ended that was started last.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode returns what the process ended with, -1 if it was killed.
func (p *Process) ExitCode() int {
	<-p.done
	return p.command.ProcessState.ExitCode()
}

// PID returns the id of the process that was started last.
func (p *Process) PID() int { return p.command.Process.Pid }

// Kill ends the process as kill -9 does.
func (p *Process) Kill() {
	if p.command == nil {
		return
	}
	_ = p.command.Process.Kill() // it may have ended
	<-p.done
}

// Signal sends a signal to the process if it runs.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	return p.command.Process.Signal(s)
}

// Stop has the process end in order.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.waitErr
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not stop within %v; see %s", p.Name, stopTime, p.logFile)
	}
}
