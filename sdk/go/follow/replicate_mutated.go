//go:build mutate_one_state

package follow

// replicates is wrong on purpose: a test has to find it.
func replicates(rejected bool) bool { return !rejected }
