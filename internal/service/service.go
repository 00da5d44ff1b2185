// Package service runs the parts of a process as one unit: they start together,
// and the end of one is the end of all. It refuses to restart anything: a part
// that can go on after a failure does so by itself, and one that can not takes
// the process down, where a supervisor sees it.
package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// Part is one thing that runs for as long as the process does.
type Part struct {
	// Name stands in errors.
	Name string
	// Run runs the part and blocks until it is over. It returns nil if it was
	// stopped, by its context or by Stop, and otherwise why it ended. Its context
	// ends once every part's Stop has returned.
	Run func(ctx context.Context) error
	// Stop asks the part to end and blocks until what it still had to do is done.
	// Its context ends when the time for that is up; then it should break off and
	// return the context's error. It is called at most once, maybe after Run has
	// returned. Nil means that the end of Run's context is enough.
	Stop func(ctx context.Context) error
}

// Run runs all parts until ctx ends or one of them does, then stops them in
// reverse order, and returns when all have ended. So a part may use those before
// it until its own end. They have grace for stopping, all together; a part that
// does not even then return is named in the error and left behind.
//
// The error joins whatever went wrong; nil means that ctx ended and all parts
// stopped cleanly. Parts are started even if it has ended already, since only
// they can let go of what they own. A part that ends by itself without an error is an error, as
// the process can not do its work without it. A panic in a part is that part's
// error.
func Run(ctx context.Context, grace time.Duration, parts ...Part) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ends := make(chan end, len(parts))
	for i, part := range parts {
		go func() { ends <- end{i, protect(running, part.Run)} }()
	}
	ended := make([]bool, len(parts))
	var errs []error
	select {
	case <-ctx.Done():
	case e := <-ends:
		ended[e.part] = true
		if e.err == nil {
			e.err = errors.New("ended by itself")
		}
		errs = append(errs, fmt.Errorf("%s: %w", parts[e.part].Name, e.err))
	}
	stopping, release := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer release()
	for _, part := range slices.Backward(parts) {
		if part.Stop == nil {
			continue
		}
		if err := protect(stopping, part.Stop); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", part.Name, err))
		}
	}
	cancel()
	errs = append(errs, wait(parts, ended, ends)...)
	return errors.Join(errs...)
}

// lastWait is how long parts may take to notice that their context has ended.
const lastWait = 5 * time.Second

func wait(parts []Part, ended []bool, ends <-chan end) (errs []error) {
	deadline := time.NewTimer(lastWait)
	defer deadline.Stop()
	for {
		left := -1
		for i := range parts {
			if !ended[i] {
				left = i
			}
		}
		if left < 0 {
			return errs
		}
		select {
		case e := <-ends:
			ended[e.part] = true
			if e.err != nil && !errors.Is(e.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("%s: %w", parts[e.part].Name, e.err))
			}
		case <-deadline.C:
			for i, part := range parts {
				if !ended[i] {
					errs = append(errs, fmt.Errorf("%s: does not stop", part.Name))
				}
			}
			return errs
		}
	}
}

type end struct {
	part int
	err  error
}

func protect(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f(ctx)
}
