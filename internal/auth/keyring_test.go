package auth

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

func TestKeyring(t *testing.T) {
	t.Parallel()
	k, now := NewKeyring(), time.Unix(1000, 0)
	one, two := public(generate(t), servingv1.Role_ROLE_SDK), public(generate(t), servingv1.Role_ROLE_PLANE)
	one.NotBefore, one.ExpiresAt = at(now), at(now.Add(time.Hour))
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if k.Version() != math.MinInt64 {
		t.Errorf("version %d", k.Version())
	}
	for _, step := range []struct {
		version int64
		keys    []*servingv1.PublicKey
		taken   bool
	}{
		{-3, nil, true},
		{0, []*servingv1.PublicKey{two, one}, true},
		{-1, nil, false},
		{0, []*servingv1.PublicKey{one}, true},
		{7, []*servingv1.PublicKey{one, two}, true},
		{6, nil, false},
	} {
		changed := k.Changed()
		if err := k.Set(step.version, step.keys); err != nil {
			t.Error(err)
		}
		if closed(changed) != step.taken || closed(k.Changed()) {
			t.Errorf("version %d: changed: %v", step.version, closed(changed))
		}
		if version, keys := k.Keys(); step.taken && (version != step.version || len(keys) != len(step.keys)) {
			t.Errorf("got version %d, %v", version, keys)
		}
	}
	for at, want := range map[time.Time]error{
		now.Add(-1): ErrTooSoon, now: nil, now.Add(time.Hour - 1): nil, now.Add(time.Hour): ErrExpired,
	} {
		if p, err := k.Principal(one.GetAccessKey(), at); !errors.Is(err, want) || (p == nil) != (want != nil) {
			t.Errorf("at %s: got %v, %v", at, p, err)
		}
	}
	if _, err := k.Principal("sak_", now); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if p, err := k.Principal(two.GetAccessKey(), time.Time{}); err != nil || p.Role != servingv1.Role_ROLE_PLANE || !p.ExpiresAt.IsZero() {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestBadKeysAreLeftOut(t *testing.T) {
	t.Parallel()
	good := public(generate(t), servingv1.Role_ROLE_SDK)
	for want, change := range map[string]func(*servingv1.PublicKey){
		"has 0 bytes":         func(k *servingv1.PublicKey) { k.PublicKey = nil },
		"has 31 bytes":        func(k *servingv1.PublicKey) { k.PublicKey = k.GetPublicKey()[1:] },
		"not the fingerprint": func(k *servingv1.PublicKey) { k.AccessKey = generate(t).AccessKey() },
		"there twice":         func(k *servingv1.PublicKey) { k.AccessKey, k.PublicKey = good.GetAccessKey(), good.GetPublicKey() },
		"expires_at":          func(k *servingv1.PublicKey) { k.ExpiresAt = &timestamppb.Timestamp{Nanos: -1} },
		"not_before":          func(k *servingv1.PublicKey) { k.NotBefore = &timestamppb.Timestamp{Seconds: math.MaxInt64} },
	} {
		bad := public(generate(t), servingv1.Role_ROLE_ADMIN)
		change(bad)
		k := NewKeyring()
		err := k.Set(1, []*servingv1.PublicKey{good, bad, nil})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "access key 2") {
			t.Errorf("got %v, want %q", err, want)
		}
		p, err := k.Principal(good.GetAccessKey(), time.Now())
		if _, keys := k.Keys(); err != nil || len(keys) != 1 || p.Role != servingv1.Role_ROLE_SDK {
			t.Errorf("%s: got %v, %v", want, p, err)
		}
	}
}

// TestKeyringIsReadWhileItIsSet waits for a change as streams do.
func TestKeyringIsReadWhileItIsSet(t *testing.T) {
	t.Parallel()
	const last = 200
	k, key := NewKeyring(), public(generate(t), servingv1.Role_ROLE_SDK)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				changed := k.Changed()
				version, keys := k.Keys()
				if version >= 0 && len(keys) != int(version%2) {
					t.Errorf("version %d with %d keys", version, len(keys))
				}
				if version == last {
					return
				}
				<-changed
			}
		})
	}
	for version := range int64(last + 1) {
		wait.Go(func() {
			if err := k.Set(version, []*servingv1.PublicKey{key}[:version%2]); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	key := public(generate(t), servingv1.Role_ROLE_SDK)
	all := newPrincipal(key)
	key.Services, key.Environments = []string{"b", "a", "b"}, []string{"prod"}
	some := newPrincipal(key)
	for _, test := range []struct {
		p    *Principal
		ask  []string
		want string
	}{
		{all, nil, ""},
		{all, []string{"z", "a", "z"}, "a z"},
		{some, nil, "a b"},
		{some, []string{}, "a b"},
		{some, []string{"b"}, "b"},
		{some, []string{"b", "a", "a"}, "a b"},
		{some, []string{"b", "c"}, deniedOutcome},
		{some, []string{""}, deniedOutcome},
	} {
		got, err := test.p.Narrow(test.ask)
		text := strings.Join(got, " ")
		if err != nil {
			text = outcome(setupEdge().Coded(t.Context(), watch, err))
		}
		if text != test.want || (got == nil) != (text == "" || err != nil) {
			t.Errorf("%v: got %q, want %q", test.ask, text, test.want)
		}
	}
	got, _ := some.Narrow(nil)
	got[0] = "changed"
	if some.Services[0] != "a" {
		t.Error("the principal was changed")
	}
	if !all.Environment("any") || !some.Environment("prod") || some.Environment("test") || some.Environment("") {
		t.Error("wrong environments")
	}
	key.Services = []string{"a", "b"}
	if !some.Same(newPrincipal(key)) || some.Same(all) {
		t.Error("wrong comparison")
	}
	key.Role = servingv1.Role_ROLE_PLANE
	if some.Same(newPrincipal(key)) {
		t.Error("another role is the same")
	}
	if _, ok := FromContext(t.Context()); ok {
		t.Error("somebody calls")
	}
}
