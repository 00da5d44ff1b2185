//go:build !mutate_no_watchdog

package follow

import "time"

// watchdog tells when a timer has run out.
func watchdog(quiet *time.Timer) <-chan time.Time { return quiet.C }
