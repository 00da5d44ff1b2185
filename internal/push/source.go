package push

import "time"

// source is what a stream follows. A feed is one.
type source interface {
	// changes returns a channel that is closed when now or over may answer
	// something else.
	changes() <-chan struct{}
	// now returns the newest moment, nil if there is none yet.
	now() *moment
	// over reports that there will be nothing more.
	over() bool
	// lead returns the frames that lead from a state to a moment.
	lead(from state, to *moment) *update
	// stale is for how long nobody has confirmed that now is the newest.
	stale() time.Duration
}

var _ source = (*feed)(nil)

func (f *feed) changes() <-chan struct{} { return f.hub.changes() }
func (f *feed) now() *moment             { return f.current.Load() }
func (f *feed) over() bool               { return f.hub.ended.Load() }
func (f *feed) stale() time.Duration     { return f.hub.Stale() }
