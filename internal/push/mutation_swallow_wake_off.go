//go:build !mutate_swallow_wake

package push

// awaited returns the channel to wait for after something was sent: the one that
// was taken before, as it knows what was published meanwhile.
func awaited(taken <-chan struct{}, _ source) <-chan struct{} { return taken }
