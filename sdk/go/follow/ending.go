package follow

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// cause says why a stream has ended, as far as that matters to the next one.
type cause int

const (
	// broken: the connection has ended, or never was.
	broken cause = iota
	// silent: the server has said nothing for too long.
	silent
	// mute: the stream did not begin in time, so something may hold it back.
	mute
	// behind: the server is behind what is held.
	behind
	// doubtful: what came is not right.
	doubtful
	// missed: the server takes the follower to be where it is not.
	missed
	// refused: the key is not good for it.
	refused
	// window: the server has said when to come back.
	window
	// due: enough was fetched, a stream is to be tried.
	due
)

func (c cause) String() string {
	return [...]string{"broken", "silent", "mute", "behind", "doubtful", "missed", "refused", "window", "due"}[c]
}

// ending is how a stream, or a time of fetching, has ended.
type ending struct {
	cause cause
	err   error
	// least and most are when to come back, for window.
	least, most time.Duration
	// lasted is for how long it has gone well, since it was answered.
	lasted time.Duration
	// answered says that it had begun, anew that it was asked for everything, and
	// settled that something was taken over, or proved to be the newest.
	answered, anew, settled bool
}

// level is how much people should care.
func (e ending) level() slog.Level {
	switch e.cause {
	case window, due:
		return slog.LevelInfo
	case doubtful, refused:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// maxWindow bounds when a server can have its followers come back.
const maxWindow = 10 * time.Minute

// causeOf returns the ending that a call's error means.
func causeOf(err error) ending {
	failure, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return ending{cause: broken, err: err}
	}
	switch failure.Code() {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return ending{cause: refused, err: err}
	case connect.CodeUnavailable, connect.CodeResourceExhausted:
	default:
		return ending{cause: broken, err: err}
	}
	info := reasonOf(failure)
	switch info.GetReason() {
	case servingv1.ErrorReason_ERROR_REASON_BEHIND.String():
		return ending{cause: behind, err: err}
	case servingv1.ErrorReason_ERROR_REASON_OVERLOADED.String():
		least, first := strconv.ParseInt(info.GetMetadata()["retry_min_millis"], 10, 32)
		most, second := strconv.ParseInt(info.GetMetadata()["retry_max_millis"], 10, 32)
		if first != nil || second != nil {
			break // it has not said when
		}
		return inWindow(int32(least), int32(most), err)
	}
	return ending{cause: broken, err: err}
}

// reasonOf returns what a server says for programs, nil if nothing.
func reasonOf(failure *connect.Error) *errdetails.ErrorInfo {
	for _, detail := range failure.Details() {
		value, err := detail.Value()
		if err != nil {
			continue // of a kind that is not known here
		}
		if info, ok := value.(*errdetails.ErrorInfo); ok && info.GetDomain() == "strata" {
			return info
		}
	}
	return nil
}

// inWindow is the ending of a server that says when to come back. One that says
// at once says nothing, or all would be back at the same time.
func inWindow(leastMillis, mostMillis int32, err error) ending {
	least := millis(leastMillis, 0, maxWindow)
	most := millis(mostMillis, least, maxWindow)
	if most == 0 {
		return ending{cause: broken, err: err}
	}
	return ending{cause: window, err: err, least: least, most: most}
}

func goodbye(g *servingv1.Goodbye) *ending {
	err := fmt.Errorf("the server ends the stream: %v", g.GetReason())
	end := inWindow(g.GetRetryMinMillis(), g.GetRetryMaxMillis(), err)
	if g.GetReason() == servingv1.Goodbye_REASON_REVOKED {
		end = ending{cause: refused, err: err}
	}
	return &end
}

// ofUpdate returns the ending that an Update means which was not taken.
func ofUpdate(err error) *ending {
	if errors.Is(err, view.ErrOlder) {
		return &ending{cause: behind, err: err}
	}
	return &ending{cause: doubtful, err: err}
}

var (
	errMute    = errors.New("the stream does not begin")
	errSilence = errors.New("nothing was heard for three heartbeats")
)
