package strata

import "time"

// Status is how a Client is at a time.
type Status struct {
	// State is one of
	//
	//	NOT_READY  there is no configuration yet
	//	READY      there is one, and the server is heard
	//	STALE      there is one, and the server was not heard for three heartbeats,
	//	           or not yet
	//	CLOSED     Close was called
	State string
	// Epoch and Revision say which configuration is evaluated. They are 0 before
	// there is one.
	Epoch, Revision int64
	// StaleFor is for how long nobody has confirmed that the newest configuration
	// is the one that was received last; if nobody ever has, since New.
	StaleFor time.Duration
	// Err is why the last connection has ended, nil once another one goes well.
	Err error
	// Faults is what of the newest revision can not be run, so that the one before
	// it is still evaluated. It is empty if nothing is wrong.
	Faults []string
	// Dropped is how many exposures and events could not be sent, all in all.
	Dropped int64
}

// What State may be.
const (
	stateNotReady = "NOT_READY"
	stateReady    = "READY"
	stateStale    = "STALE"
	stateClosed   = "CLOSED"
)

// Status returns how the client is.
func (c *Client) Status() Status {
	followed, at := c.follower.Status(), c.running.Load().position()
	s := Status{
		State: c.state(), Epoch: at.Epoch, Revision: at.Revision, StaleFor: followed.Stale, Err: followed.Err,
		Dropped: c.outbox.dropped(),
	}
	for _, fault := range followed.Faults {
		s.Faults = append(s.Faults, fault.Problem)
	}
	return s
}

func (c *Client) state() string {
	switch {
	case c.closed.Load():
		return stateClosed
	case c.running.Load() == nil:
		return stateNotReady
	case c.follower.Status().Silent:
		return stateStale
	default:
		return stateReady
	}
}
