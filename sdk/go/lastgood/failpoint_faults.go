//go:build faults

package lastgood

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// failpointCode is what a process exits with at a failpoint.
const failpointCode = 86

var failpointHits atomic.Int64

// failpoint ends the process without any clean-up if STRATA_FAILPOINT is name,
// or name:n and this is the nth time.
func failpoint(name string) {
	wanted, count, _ := strings.Cut(os.Getenv("STRATA_FAILPOINT"), ":")
	if wanted != name {
		return
	}
	nth, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		nth = 1
	}
	if failpointHits.Add(1) == nth {
		os.Exit(failpointCode)
	}
}
