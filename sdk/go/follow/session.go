package follow

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// session takes the frames of one stream, or one fetch. It is for one goroutine.
type session struct {
	held        *held
	environment string // that was asked for, empty if none was
	anew        bool
	fetched     bool

	hello     *servingv1.Hello // nil before the first frame
	began     time.Time        // when that came
	heartbeat time.Duration
	stage     view.Stage
	staging   bool // parts of an Update have come, and not the last one
	informed  bool // a Heartbeat has said how old what the server has is
	settled   bool // something was taken over, or proved to be the newest
}

func (f *Follower) newSession(anew, fetched bool) *session {
	return &session{
		held: f.held, environment: f.config.Environment, anew: anew, fetched: fetched,
		heartbeat: defaultHeartbeat,
	}
}

// end completes an ending of the session.
func (s *session) end(e ending) ending {
	e.answered, e.anew, e.settled = s.hello != nil, s.anew, s.settled
	if e.answered {
		e.lasted = time.Since(s.began)
	}
	return e
}

// take takes a frame. It returns an ending if that has to be the last one.
func (s *session) take(frame *servingv1.WatchResponse) *ending {
	if e := s.takeKnown(frame); e != nil {
		return e
	}
	s.held.hear(s.heartbeat)
	return nil
}

func (s *session) takeKnown(frame *servingv1.WatchResponse) *ending {
	if frame.GetFrame() == nil {
		return nil // of a kind that is not known yet
	}
	if hello := frame.GetHello(); hello != nil {
		return s.begin(hello)
	}
	if g := frame.GetGoodbye(); g != nil {
		return goodbye(g)
	}
	if s.hello == nil {
		return doubt("a frame has come before Hello")
	}
	switch {
	case frame.GetUpdate() != nil:
		return s.update(frame.GetUpdate())
	case frame.GetHeartbeat() != nil:
		return s.beat(frame.GetHeartbeat())
	case frame.GetAccessKeys() != nil:
		s.held.takeKeys(frame.GetAccessKeys())
	}
	return nil
}

func doubt(text string) *ending { return &ending{cause: doubtful, err: errors.New(text)} }

func (s *session) begin(hello *servingv1.Hello) *ending {
	if s.hello != nil {
		return doubt("a second Hello has come")
	}
	if err := s.held.join(s.environment, hello.GetEnvironment()); err != nil {
		return &ending{cause: refused, err: err}
	}
	s.hello, s.began = hello, time.Now()
	if hello.GetHeartbeatMillis() > 0 {
		s.heartbeat = millis(hello.GetHeartbeatMillis(), time.Millisecond, maxHeartbeat)
	}
	stream := hello.GetStreamId()
	if s.fetched {
		stream = "" // there is none to report to
	}
	s.held.opened(link{
		stream: stream, fetched: s.fetched, since: s.began, heartbeat: s.heartbeat,
		report: millis(hello.GetReportMillis(), 0, s.heartbeat),
	})
	return nil
}

func (s *session) update(u *servingv1.Update) *ending {
	if u.GetToRevision() < 1 {
		return doubt(fmt.Sprintf("an update leads to revision %d", u.GetToRevision()))
	}
	next, err := stagePart(&s.stage, s.held.current(), u)
	if err != nil {
		return ofUpdate(err)
	}
	s.staging = next == nil
	if next == nil {
		return nil
	}
	s.held.take(next, u.GetResumeToken())
	s.settled = true
	if s.informed {
		// What comes when a stream begins is not news, and may be as old as what a
		// relay has been holding; it tells with its first heartbeat. What comes
		// later is.
		s.held.confirm(0)
	}
	return nil
}

func (s *session) beat(h *servingv1.Heartbeat) *ending {
	if s.staging {
		return doubt("a heartbeat has come between the parts of an update")
	}
	current := s.held.current()
	at := view.Position{Epoch: h.GetEpoch(), Revision: h.GetRevision()}
	hash := current.Hash()
	switch order := at.Compare(current.Position()); {
	case order < 0:
		return &ending{cause: behind, err: fmt.Errorf("%w: it is at %v, held is %v", view.ErrOlder, at, current.Position())}
	case order > 0:
		return &ending{cause: missed, err: fmt.Errorf("the server is at %v, and has sent %v", at, current.Position())}
	case !bytes.Equal(h.GetHash(), hash[:]):
		return &ending{cause: missed, err: fmt.Errorf("%v: the server's hash is %x, held is %v", at, h.GetHash(), hash)}
	}
	s.settled, s.informed = true, true
	s.held.confirm(time.Duration(max(0, h.GetStaleMillis())) * time.Millisecond)
	return nil
}
