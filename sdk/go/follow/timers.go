package follow

import (
	"cmp"
	"time"
)

// Timers are the times of a Follower. They differ from zero, which is the
// default, in tests alone.
type Timers struct {
	// Hello is how long a stream may take to begin: 10 s. A proxy that buffers may
	// be why it takes longer, so that the configuration is fetched. Servers that
	// are behind wait for a few seconds before they say so, and have to be heard.
	// To connect takes half of it at most, so that a server that is not there is
	// not taken for one behind such a proxy.
	Hello time.Duration
	// Answer is how long the answer to a call may take to begin: 10 s.
	Answer time.Duration
	// Fetch is how long a fetch may take as a whole: 60 s.
	Fetch time.Duration
	// WatchAgain is for how long the configuration is fetched before a stream is
	// tried again: about 3 min.
	WatchAgain time.Duration
	// FirstWait is the longest wait after a first failure: 0.5 s. It doubles with
	// each one, up to LongestWait.
	FirstWait time.Duration
	// LongestWait, if not zero, counts in place of the Config's.
	LongestWait time.Duration
	// RefusedWait is the longest wait where the key is refused: 5 min.
	RefusedWait time.Duration
	// Healthy is how long a stream has to last to make up for failures: 60 s.
	Healthy time.Duration
	// Anew is the shortest time between whole configurations that are asked for
	// since what came was not right: 30 s.
	Anew time.Duration
}

func (t Timers) withDefaults() Timers {
	return Timers{
		Hello:       cmp.Or(t.Hello, 10*time.Second),
		Answer:      cmp.Or(t.Answer, 10*time.Second),
		Fetch:       cmp.Or(t.Fetch, time.Minute),
		WatchAgain:  cmp.Or(t.WatchAgain, 3*time.Minute),
		FirstWait:   cmp.Or(t.FirstWait, 500*time.Millisecond),
		LongestWait: cmp.Or(t.LongestWait, 30*time.Second),
		RefusedWait: cmp.Or(t.RefusedWait, 5*time.Minute),
		Healthy:     cmp.Or(t.Healthy, time.Minute),
		Anew:        cmp.Or(t.Anew, 30*time.Second),
	}
}

const (
	// defaultHeartbeat is what counts where a server has said nothing yet.
	defaultHeartbeat = 15 * time.Second
	// maxHeartbeat bounds what a server can say, as its silence is measured by it.
	maxHeartbeat = 5 * time.Minute
	// patience is how many heartbeats may be missing.
	patience = 3
)

// millis returns a time that a server has said, between limits.
func millis(n int32, least, most time.Duration) time.Duration {
	return min(max(time.Duration(n)*time.Millisecond, least), most)
}
