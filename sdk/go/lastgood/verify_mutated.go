//go:build mutate_no_verify

package lastgood

// same is wrong on purpose: a test has to find it.
func same(_, _ []byte) bool { return true }
