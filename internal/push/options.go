package push

import (
	"math/rand/v2"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Options are what a Server may be told to do otherwise. All have to be positive,
// unless zero is said to be something.
type Options struct {
	// Heartbeat is how long a stream may be silent.
	Heartbeat time.Duration
	// ReportEvery is how often a follower may report its status.
	ReportEvery time.Duration
	// MaxAge is how old a stream may become, give or take a fifth.
	MaxAge time.Duration
	// WriteTimeout is how long a follower may take to read one frame, apart from
	// the time that its size needs over a slow link.
	WriteTimeout time.Duration
	// Wait is for how long a caller waits for this server to get to where the
	// caller is, or to anything at all. Nothing is sent meanwhile, so it has to be
	// well below the five seconds after which followers give a mute stream up (the
	// default of Hello in follow.Timers).
	Wait time.Duration

	// StreamsPerSecond is how many streams may begin, and calls of Fetch, after a
	// burst of StreamsBurst.
	StreamsPerSecond, StreamsBurst float64
	// FullBytesPerSecond is how much may be sent to those who begin anew, after a
	// burst of FullBytesBurst, counted as it is compressed.
	FullBytesPerSecond, FullBytesBurst float64
	// MaxStreams is how many streams there may be at once. A tenth of them is kept
	// for planes.
	MaxStreams int
	// MaxStreamsPerKey is how many of them may be of one access key, unless it is
	// one of planes. Zero is three quarters of MaxStreams: all programs of a service
	// may share a key.
	MaxStreamsPerKey int
	// MaxScopesPerKey is how many scopes of an environment one access key may
	// follow at once, apart from all that it may have.
	MaxScopesPerKey int
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
		Wait:         2 * time.Second,

		StreamsPerSecond: 200, StreamsBurst: 500,
		FullBytesPerSecond: 32 << 20, FullBytesBurst: 128 << 20,
		MaxStreams:      20_000,
		MaxScopesPerKey: 64,
		MaxPolls:        20_000,
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

var (
	// crowd is when those come back who were not let in.
	crowd = window{time.Second, 10 * time.Second}
	// many is the same for what does not pass by itself.
	many = window{5 * time.Second, time.Minute}
)

// streamsPerKey returns how many streams may be of one access key.
func (o *Options) streamsPerKey() int {
	if o.MaxStreamsPerKey > 0 {
		return o.MaxStreamsPerKey
	}
	return max(1, o.MaxStreams*3/4)
}

func goodbye(reason servingv1.Goodbye_Reason) *servingv1.WatchResponse {
	w := windows[reason]
	return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Goodbye{Goodbye: &servingv1.Goodbye{
		Reason: reason, RetryMinMillis: int32(w.min.Milliseconds()), RetryMaxMillis: int32(w.max.Milliseconds()),
	}}}
}
