package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// report is what came of the cases in one language.
type report struct {
	name           string
	passed, failed int
	failures       []string // each with the name of the case
}

func (r *report) fail(what string) {
	r.failed++
	r.failures = append(r.failures, what)
}

// checkAll runs the Go engine.
func checkAll(p *prepared) report {
	r := report{name: "go"}
	for _, f := range p.broken {
		r.fail(fmt.Sprintf("%s: %v", f.name, f.err))
	}
	for _, check := range checks(p) {
		if err := check.run(); err != nil {
			r.fail(fmt.Sprintf("%s: %v", check.name, err))
		} else {
			r.passed++
		}
	}
	return r
}

// runner runs the engine of a language that is not Go over a prepared file. It
// prints a line as we do, names on stderr what failed, and exits with 1 if
// anything did.
type runner struct {
	name    string
	command func(ctx context.Context, file string) (*exec.Cmd, error)
}

// running is a runner that was started.
type running struct {
	name        string
	command     *exec.Cmd
	out, errors bytes.Buffer
}

// start starts all runners, or none.
func start(ctx context.Context, runners []runner, file string) ([]*running, error) {
	all := make([]*running, len(runners))
	var errs []error
	for i, r := range runners {
		command, err := r.command(ctx, file)
		all[i] = &running{name: r.name, command: command}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, r := range all {
		r.command.Stdout, r.command.Stderr = &r.out, &r.errors
		if err := r.command.Start(); err != nil {
			for _, started := range all[:i] {
				_ = started.command.Process.Kill()
				_ = started.command.Wait()
			}
			return nil, err
		}
	}
	return all, nil
}

// wait waits for runners and judges what they report of the cases.
func wait(all []*running, p *prepared) []report {
	reports := make([]report, len(all))
	for i, r := range all {
		err := r.command.Wait()
		report, problem := r.read(p.runnable(), err)
		if problem != "" {
			// Nothing that it says can be relied on.
			report.passed, report.failed = 0, p.runnable()
			report.failures = append(report.failures, problem)
		}
		for _, f := range p.broken {
			report.fail(fmt.Sprintf("%s: %v", f.name, f.err))
		}
		reports[i] = report
	}
	return reports
}

// read reads what a runner printed. The problem is why it is not to be trusted,
// if it is not.
func (r *running) read(total int, exit error) (report report, problem string) {
	report.name = r.name
	for line := range strings.Lines(r.errors.String()) {
		report.failures = append(report.failures, strings.TrimPrefix(strings.TrimRight(line, "\n"), r.name+": "))
	}
	line := strings.TrimSuffix(r.out.String(), "\n")
	_, err := fmt.Sscanf(line, r.name+": %d passed, %d failed", &report.passed, &report.failed)
	switch want := fmt.Sprintf("%s: %d passed, %d failed", r.name, report.passed, report.failed); {
	case err != nil || line != want:
		return report, fmt.Sprintf("the runner printed %q and ended with %v", clip(line), exit)
	case report.passed+report.failed != total:
		return report, fmt.Sprintf("the runner counted %d cases, go %d", report.passed+report.failed, total)
	case (exit == nil) != (report.failed == 0):
		return report, fmt.Sprintf("the runner printed %q and ended with %v", line, exit)
	}
	return report, ""
}

func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
