package push

import (
	"math/rand/v2"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Options are what a Server may be told to do otherwise. All have to be positive.
type Options struct {
	// Heartbeat is how long a stream may be silent.
	Heartbeat time.Duration
	// ReportEvery is how often a follower may report its status.
	ReportEvery time.Duration
	// MaxAge is how old a stream may become, give or take a fifth.
	MaxAge time.Duration
	// WriteTimeout is how long a follower may take to read one frame.
	WriteTimeout time.Duration
	// Wait is for how long a caller waits for this server to get to where the
	// caller is, or to anything at all.
	Wait time.Duration

	// StreamsPerSecond is how many streams may begin, and calls of Fetch, after a
	// burst of StreamsBurst.
	StreamsPerSecond, StreamsBurst float64
	// FullBytesPerSecond is how much may be sent to those who begin anew, after a
	// burst of FullBytesBurst, counted as it is compressed.
	FullBytesPerSecond, FullBytesBurst float64
	// MaxStreams is how many streams there may be at once.
	MaxStreams int
	// MaxPolls is of how many followers that fetch the status is kept.
	MaxPolls int
}

// DefaultOptions returns what holds where nothing else is said.
func DefaultOptions() Options {
	return Options{
		Heartbeat:    15 * time.Second,
		ReportEvery:  5 * time.Second,
		MaxAge:       30 * time.Minute,
		WriteTimeout: 10 * time.Second,
		Wait:         5 * time.Second,

		StreamsPerSecond: 200, StreamsBurst: 500,
		FullBytesPerSecond: 32 << 20, FullBytesBurst: 128 << 20,
		MaxStreams: 20_000,
		MaxPolls:   20_000,
	}
}

// leaseHeartbeats is after how many heartbeats without a status a stream ends.
const leaseHeartbeats = 3

// age returns how old one stream may become.
func (o *Options) age() time.Duration {
	return time.Duration((0.8 + 0.4*rand.Float64()) * float64(o.MaxAge))
}

// window is between when those come back whom a server sends away, each at a
// random time, so that they do not come all at once.
type window struct{ min, max time.Duration }

var windows = map[servingv1.Goodbye_Reason]window{
	servingv1.Goodbye_REASON_DRAIN:       {0, 10 * time.Second},
	servingv1.Goodbye_REASON_MAX_AGE:     {0, 5 * time.Second},
	servingv1.Goodbye_REASON_LEASE:       {0, 5 * time.Second},
	servingv1.Goodbye_REASON_REVOKED:     {10 * time.Second, time.Minute}, // in vain, most likely
	servingv1.Goodbye_REASON_SCOPE:       {0, 5 * time.Second},
	servingv1.Goodbye_REASON_ENVIRONMENT: {10 * time.Second, time.Minute}, // as above
}

// crowd is when those come back who were not let in.
var crowd = window{time.Second, 10 * time.Second}

func goodbye(reason servingv1.Goodbye_Reason) *servingv1.WatchResponse {
	w := windows[reason]
	return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Goodbye{Goodbye: &servingv1.Goodbye{
		Reason: reason, RetryMinMillis: int32(w.min.Milliseconds()), RetryMaxMillis: int32(w.max.Milliseconds()),
	}}}
}
