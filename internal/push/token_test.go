package push

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/strata-exp/strata/sdk/go/view"
)

var clusterKey = bytes.Repeat([]byte{7}, 32)

func TestTokens(t *testing.T) {
	t.Parallel()
	p := place{
		position:    view.Position{Epoch: 1 << 50, Revision: 12},
		environment: environmentTag("prod"), scope: newScope([]string{"a"}, false).tag(), hash: sha256.Sum256([]byte("x")),
	}
	with, other, without := NewSealer(clusterKey), NewSealer(bytes.Repeat([]byte{8}, 32)), NewSealer(nil)
	for _, c := range []struct {
		name         string
		maker, taker *Sealer
		proven       bool
	}{
		{"its own", with, NewSealer(clusterKey), true},
		{"of another key", other, with, false},
		{"of a relay", without, with, false},
		{"at a relay", with, without, false},
		{"of a relay at a relay", without, without, false},
	} {
		got, proven, ok := c.taker.open(c.maker.seal(p))
		if got != p || proven != c.proven || !ok {
			t.Errorf("%s: got %v, proven %t, ok %t", c.name, got, proven, ok)
		}
	}
	if got := len(with.seal(p)); got > 256 {
		t.Errorf("a token of %d bytes, more than a request may have", got)
	}
	sealed := with.seal(p)
	for i := range sealed {
		wrong := bytes.Clone(sealed)
		wrong[i] ^= 1
		if _, proven, _ := with.open(wrong); proven {
			t.Errorf("byte %d does not count", i)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a short key was taken")
		}
	}()
	NewSealer([]byte("short"))
}

func FuzzToken(f *testing.F) {
	sealer := NewSealer(clusterKey)
	f.Add([]byte(nil))
	f.Add(sealer.seal(place{}))
	f.Add(NewSealer(nil).seal(place{position: view.Position{Epoch: 3, Revision: 4}}))
	hub := NewHub("prod", sealer)
	hub.Publish(view.Empty().With(view.Position{Epoch: 1, Revision: 1}, nil, nil))
	feed, err := hub.acquire(newScope(nil, true), holder{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		p, proven, ok := sealer.open(token)
		if proven && !ok {
			t.Fatal("what is no token is proven")
		}
		if ok && proven && !bytes.Equal(sealer.seal(p), token) {
			t.Fatal("another token than the one that was made is proven")
		}
		if _, _, v, reason := feed.judge(token, feed.now()); v == begin && reason == "" {
			t.Fatal("no reason to begin anew")
		}
	})
}
