package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/sdk/conformance/language"
)

// engineCommand is the command that answers in the parity protocol.
type engineCommand func(ctx context.Context) (*exec.Cmd, error)

func inFolder(l language.Language, root, folder string) engineCommand {
	return func(ctx context.Context) (*exec.Cmd, error) { return l.CommandIn(ctx, root, folder, "parity") }
}

// answerWithin is after how long an engine that does not answer a line is given
// up. The largest line takes a second.
const answerWithin = 2 * time.Minute

// child is a running engine. One goroutine may send while another one receives.
type child struct {
	name    string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  tail
	late    atomic.Bool
}

// startChild starts an engine, which ends with the context or when it is closed.
func startChild(ctx context.Context, name string, engine engineCommand) (*child, error) {
	command, err := engine(ctx)
	if err != nil {
		return nil, err
	}
	c := &child{name: name, command: command}
	command.Stderr = &c.errors
	if c.in, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 1<<20)
	return c, command.Start()
}

func (c *child) send(line []byte) error {
	if _, err := c.in.Write(line); err != nil {
		return fmt.Errorf("%s takes no more lines: %w", c.name, err)
	}
	return nil
}

// receive returns the next line, without its break.
func (c *child) receive() ([]byte, error) {
	timer := time.AfterFunc(answerWithin, func() {
		c.late.Store(true)
		_ = c.command.Process.Kill()
	})
	defer timer.Stop()
	line, err := c.out.ReadBytes('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case c.late.Load():
		return nil, fmt.Errorf("%s has not answered for %v", c.name, answerWithin)
	default:
		return nil, fmt.Errorf("%s ended: %w\n%s", c.name, errors.Join(err, c.close()), c.errors.String())
	}
}

// close waits for the engine to end, which it does once it has nothing to read.
func (c *child) close() error {
	_ = c.in.Close()
	return c.command.Wait()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - most; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
