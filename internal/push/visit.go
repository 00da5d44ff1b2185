package push

import (
	"context"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

// visit is a call that may follow, and where it begins.
type visit struct {
	follower *follower
	feed     *feed // to be released by holder
	holder   holder
	origin   origin
}

// visit finds out whether a call may follow what it asks for, and where it
// begins. id is that of its stream.
func (s *Server) visit(ctx context.Context, r *servingv1.WatchRequest, id string) (*visit, error) {
	if err := checkWatch(r); err != nil {
		return nil, err
	}
	p, hub, err := s.authorize(ctx, r.GetEnvironment())
	if err != nil {
		return nil, err
	}
	scope, err := grant(p, hub.Environment(), r.GetServices())
	if err != nil {
		return nil, err
	}
	by, err := s.holder(p, hub, scope)
	if err != nil {
		return nil, err
	}
	feed, err := hub.acquire(scope, by)
	if err != nil {
		return nil, err
	}
	origin, err := s.place(ctx, feed, r.GetResumeToken())
	if err != nil {
		hub.release(feed, by)
		return nil, err
	}
	return &visit{
		follower: &follower{
			id: id, principal: p, environment: hub.Environment(),
			asked: r.GetServices(), services: scope.services, client: r.GetClient(), instance: r.GetInstance(),
		},
		feed: feed, holder: by, origin: origin,
	}, nil
}

// holder returns who is charged for a scope: nobody, if it is all that the access
// key may have.
func (s *Server) holder(p *auth.Principal, hub *Hub, scope Scope) (holder, error) {
	all, err := grant(p, hub.Environment(), nil)
	if err != nil || all.id == scope.id {
		return holder{}, err
	}
	return holder{p.AccessKey, s.options.MaxScopesPerKey}, nil
}

// begin counts a call, unless the server stops.
func (s *Server) begin() bool {
	s.callsMu.Lock()
	defer s.callsMu.Unlock()
	if s.halted() != 0 {
		return false
	}
	s.calls.Add(1)
	return true
}

// authorize returns who calls, and the hub of the environment. Who may not follow
// it is not told whether there is one.
func (s *Server) authorize(ctx context.Context, environment string) (*auth.Principal, *Hub, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return nil, nil, rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the call is not signed")
	}
	if environment != "" {
		if _, err := grant(p, environment, nil); err != nil {
			return nil, nil, err
		}
	}
	hub, err := s.environments(ctx, environment)
	if err != nil {
		return nil, nil, err
	}
	if _, err := grant(p, hub.Environment(), nil); err != nil {
		return nil, nil, err
	}
	return p, hub, nil
}

// place finds where a caller begins. It waits for the feed to get to where the
// caller is, and to anything at all.
func (s *Server) place(ctx context.Context, f *feed, token []byte) (origin, error) {
	timer := time.NewTimer(s.options.Wait)
	defer timer.Stop()
	for asked := false; ; {
		changes, now := look(f)
		if f.over() {
			return origin{}, NotServed(f.hub.environment)
		}
		p, proven, verdict, reason := f.judge(token, now)
		disputed := proven && now != nil && !asked && s.lost != nil // and may be looked into
		switch {
		case now == nil:
		case verdict == proceed:
			return origin{p.state(), reason}, nil
		case verdict == begin:
			return s.anew(reason)
		case verdict == forked && s.lost == nil:
			return s.anew("that revision is another one here")
		case verdict == forked && disputed:
			asked = true
			if err := s.dispute(ctx, f, token); err != nil {
				return origin{}, err
			}
			timer.Reset(s.options.Wait)
			continue
		}
		select {
		case <-changes:
		case <-timer.C:
			if verdict != ahead || !disputed {
				return origin{}, behind("this server is behind: %s", lag(p, now))
			}
			asked = true
			if err := s.dispute(ctx, f, token); err != nil {
				return origin{}, err
			}
			timer.Reset(s.options.Wait)
		case <-s.draining:
			return origin{}, stopping()
		case <-ctx.Done():
			return origin{}, ctx.Err()
		}
	}
}

func lag(p place, now *moment) string {
	if now == nil {
		return "it has nothing to serve yet"
	}
	return "the caller has " + p.position.String() + ", and it has " + now.view.Position().String()
}

// anew is the origin of one who is sent everything, unless too many are.
func (s *Server) anew(reason string) (origin, error) {
	if !s.admission.anew(time.Now()) {
		return origin{}, refuse(causeOverloaded, crowd)
	}
	return origin{reason: reason}, nil
}

// disputeTimeout bounds how long it may take to look into lost history.
const disputeTimeout = 10 * time.Second

// dispute has it looked into that a caller has what this server can not have sent,
// one caller at a time: what the one before found may settle it. A caller that
// gives up does not end that, as the next one would begin it anew.
func (s *Server) dispute(ctx context.Context, f *feed, token []byte) error {
	select {
	case f.hub.lost <- struct{}{}:
		defer func() { <-f.hub.lost }()
	case <-s.draining:
		return stopping()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disputeTimeout)
	defer cancel()
	p, _, verdict, _ := f.judge(token, f.now())
	if verdict != ahead && verdict != forked {
		return nil
	}
	s.log.WarnContext(ctx, "a follower has a position that is not in the history here: history may be lost",
		"environment", f.hub.environment, "follower", p.position.String(), "hash", p.hash.String())
	if err := s.lost(ctx, f.hub.environment, p.position, verdict == forked); err != nil {
		s.log.ErrorContext(ctx, "lost history was not looked into", "environment", f.hub.environment, "error", err)
		return behind("this server is behind what the caller has")
	}
	return nil
}
