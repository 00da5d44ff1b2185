package service

import (
	"context"
	"time"
)

// Drain returns the part that is to stop first, and so is given last: it calls
// begin to say that the end has begun, waits for clients to turn away, and calls
// end to cut off what would never end by itself, such as streams. The context of
// end is that of the part's Stop.
func Drain(delay time.Duration, begin func(), end func(context.Context)) Part {
	return Part{
		Name: "drain",
		Run: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		},
		Stop: func(ctx context.Context) error {
			defer end(ctx)
			begin()
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			return nil
		},
	}
}
