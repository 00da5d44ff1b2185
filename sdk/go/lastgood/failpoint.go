//go:build !faults

package lastgood

// failpoint is where tests end the process; see failpoint_faults.go.
func failpoint(string) {}
