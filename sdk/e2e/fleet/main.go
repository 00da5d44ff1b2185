package fleet

import (
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// Runner runs tests, as a testing.M does.
type Runner interface{ Run() int }

// Main runs the tests of a package that runs fleets, removes what was built, and
// fails if goroutines are left. It does not return.
func Main(m Runner, options ...goleak.Option) {
	starts() // before, so that its goroutine is none of a test's
	options = append(options, goleak.IgnoreCurrent())
	code := m.Run()
	CleanBuilds()
	probes.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines are left: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}
