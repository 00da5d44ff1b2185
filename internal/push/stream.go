package push

import (
	"context"
	"errors"
	"math"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
)

// sink takes the frames of one stream. Send returns when the frame is on its way,
// and not before: a slow reader is sent less, as it is sent what is new then.
type sink interface {
	Send(frame *servingv1.WatchResponse) error
}

// stream sends one follower what it follows. One goroutine runs it, which alone
// decides what comes after what: a heartbeat can never be ahead of an update.
type stream struct {
	*follower

	server *Server
	source source
	sink   sink
	scope  Scope
	once   bool // it ends after the first heartbeat

	born      time.Time
	end       time.Time       // when it is too old
	looked    <-chan struct{} // of the keyring, when its principal was looked up
	expires   time.Time       // of the principal; zero is never
	keys      int64           // the version that was sent
	spoke     time.Time       // when the last frame was sent
	sent      state           // what the follower has been sent whole
	renewed   time.Time       // until when the lease goes on though no status came here
	heartbeat time.Duration
}

// run sends frames until the stream ends. Its error is nil if the follower was
// told why.
func (s *stream) run(ctx context.Context, start origin) error {
	s.born = time.Now()
	s.end, s.heartbeat = s.born.Add(s.server.options.age()), s.server.options.Heartbeat
	s.sent, s.keys = start.from, math.MinInt64
	timer := time.NewTimer(s.heartbeat)
	defer timer.Stop()
	for first := true; ; first = false {
		keys := s.server.keyring.Changed() // before they are looked at
		changes, now := look(s.source)
		if err := ctx.Err(); err != nil {
			return err
		}
		if reason := s.over(ctx, keys); reason != 0 {
			return s.leave(reason)
		}
		if err := s.turn(ctx, now, first, start.reason); err != nil {
			return ended(err)
		}
		if s.once {
			return nil
		}
		timer.Reset(time.Until(s.next()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-awaited(changes, s.source):
		case <-keys:
		case <-s.server.draining:
		case <-timer.C:
		}
	}
}

// parting is the end of a stream that its follower was told of.
type parting struct{}

func (parting) Error() string { return "the stream has ended" }

func ended(err error) error {
	if errors.Is(err, parting{}) {
		return nil
	}
	return err
}

// turn sends what there is to be sent at one moment.
func (s *stream) turn(ctx context.Context, now *moment, first bool, reason string) error {
	var lead *update
	if s.sent.before(now) {
		lead = s.source.lead(s.sent, now)
		if len(lead.frames) == 0 {
			return errors.New("an update could not be made") // it failed for another stream
		}
	}
	if first {
		if err := s.hello(lead, reason); err != nil {
			return err
		}
	}
	if err := s.sendKeys(); err != nil {
		return err
	}
	if lead != nil {
		if err := s.update(ctx, lead); err != nil {
			return err
		}
		s.server.metrics.sent(lead, now, first)
		s.sent = noted(now, s.source).state()
	}
	if first || time.Since(s.spoke) >= s.heartbeat {
		return s.beat()
	}
	return nil
}

// over returns why the stream has to end, 0 if it has not to. keys is the channel
// of the keyring's next change.
func (s *stream) over(ctx context.Context, keys <-chan struct{}) servingv1.Goodbye_Reason {
	now := time.Now()
	reason := s.server.halted()
	switch {
	case reason != 0:
		return reason
	case s.source.over():
		return servingv1.Goodbye_REASON_ENVIRONMENT
	case keys != s.looked || s.expired(now):
		if reason := s.authorize(now); reason != 0 {
			return reason
		}
		s.looked = keys
	}
	switch {
	case s.abandoned(ctx, now):
		return servingv1.Goodbye_REASON_LEASE
	case !now.Before(s.end):
		return servingv1.Goodbye_REASON_MAX_AGE
	default:
		return 0
	}
}

func (s *stream) expired(now time.Time) bool { return !s.expires.IsZero() && !now.Before(s.expires) }

// authorize looks whether the follower may still have what it is sent.
func (s *stream) authorize(now time.Time) servingv1.Goodbye_Reason {
	p, err := s.server.keyring.Principal(s.principal.AccessKey, now)
	if err != nil {
		return servingv1.Goodbye_REASON_REVOKED
	}
	scope, err := grant(p, s.environment, s.asked)
	if err != nil || scope.id != s.scope.id || p.Role != s.principal.Role {
		return servingv1.Goodbye_REASON_SCOPE
	}
	s.expires = p.ExpiresAt
	return 0
}

// next returns when there is something to do though nothing happens.
func (s *stream) next() time.Time {
	next := s.spoke.Add(s.heartbeat)
	for _, at := range []time.Time{s.end, s.expires, s.lease()} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

func (s *stream) hello(lead *update, reason string) error {
	intent := servingv1.Hello_INTENT_NONE
	switch {
	case lead == nil:
	case lead.kind == servingv1.Update_KIND_DELTA:
		intent = servingv1.Hello_INTENT_DELTA
	default:
		intent = servingv1.Hello_INTENT_FULL
		s.server.admission.charge(lead.bytes)
	}
	s.server.metrics.begun(intent)
	o := s.server.options
	return s.send(&servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Hello{Hello: &servingv1.Hello{
		StreamId: s.id, Environment: s.environment, Services: s.scope.services, Intent: intent, Reason: reason,
		HeartbeatMillis: int32(o.Heartbeat.Milliseconds()), ReportMillis: int32(o.ReportEvery.Milliseconds()),
	}}})
}

// update sends all parts of an update, unless the follower loses what allows it
// on the way: a slow one may need long.
func (s *stream) update(ctx context.Context, u *update) error {
	for i, frame := range u.frames {
		if i > 0 {
			if reason := s.over(ctx, s.server.keyring.Changed()); reason != 0 {
				if err := s.leave(reason); err != nil {
					return err
				}
				return parting{}
			}
		}
		if err := s.send(frame); err != nil {
			return err
		}
	}
	return nil
}

// beat says that the follower has been sent everything up to where it is now.
func (s *stream) beat() error {
	hash := s.sent.hash // a copy, as the frame may be kept
	return s.send(&servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Heartbeat{Heartbeat: &servingv1.Heartbeat{
		Epoch: s.sent.position.Epoch, Revision: s.sent.position.Revision, Hash: hash[:],
		StaleMillis: s.source.stale().Milliseconds(), ServerTimeMillis: time.Now().UnixMilli(),
	}}})
}

// sendKeys sends the keys to who relays, if they are others than were sent.
func (s *stream) sendKeys() error {
	if s.principal.Role != servingv1.Role_ROLE_PLANE {
		return nil
	}
	version, keys := s.server.keyring.Keys()
	if version == s.keys {
		return nil
	}
	s.keys = version
	return s.send(s.server.keyFrames.frame(version, keys, s.environment))
}

func (s *stream) leave(reason servingv1.Goodbye_Reason) error {
	s.server.metrics.ended(reason)
	return s.send(goodbye(reason))
}

func (s *stream) send(frame *servingv1.WatchResponse) error {
	if err := s.sink.Send(frame); err != nil {
		return err
	}
	s.spoke = time.Now()
	return nil
}

// grant returns the scope of a principal that asks for some services, or for all
// that it may have.
func grant(p *auth.Principal, environment string, services []string) (Scope, error) {
	if p.Role != servingv1.Role_ROLE_PLANE && p.Role != servingv1.Role_ROLE_SDK {
		return Scope{}, denied("the access key is of a role that follows nothing: use one of a data plane or an SDK")
	}
	if !p.Environment(environment) {
		return Scope{}, denied("the access key is not for the environment %q", environment)
	}
	granted, err := p.Narrow(services)
	if err != nil {
		return Scope{}, err
	}
	return newScope(granted, p.Role == servingv1.Role_ROLE_PLANE), nil
}
