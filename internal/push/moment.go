package push

import (
	"sync"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// moment is what a scope has at one position. It holds the frames that lead there,
// each made once, by whoever needs it first, and for all. It is safe for
// concurrent use.
type moment struct {
	view *view.View
	made time.Time

	mu      sync.Mutex
	updates map[int64]*update // by the revision they start from
}

// whole stands for the update that starts from nothing, as revisions count from 1.
const whole = 0

// update is the frames of one Update.
type update struct {
	made   sync.Once
	kind   servingv1.Update_Kind
	frames []*servingv1.WatchResponse
	bytes  int64 // of all changes
}

func (m *moment) update(from int64) *update {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.updates[from]
	if !ok {
		if m.updates == nil {
			m.updates = map[int64]*update{}
		}
		u = &update{}
		m.updates[from] = u
	}
	return u
}

// state is what a follower has that has been sent a moment: no more of it is kept
// for as long as its stream lives.
func (m *moment) state() state { return state{m.view.Position(), m.view.Hash()} }

// frames makes the frames of an Update to the moment.
func (m *moment) frames(kind servingv1.Update_Kind, from int64, parts [][]byte, token []byte) ([]*servingv1.WatchResponse, int64) {
	frames, size := make([]*servingv1.WatchResponse, len(parts)), int64(0)
	for i, part := range parts {
		u := &servingv1.Update{
			Kind: kind, Epoch: m.view.Position().Epoch, FromRevision: from, ToRevision: m.view.Position().Revision,
			Part: int32(i), Changes: part,
		}
		if i == len(parts)-1 {
			hash := m.view.Hash()
			u.Last, u.Hash, u.EntityCount, u.ResumeToken = true, hash[:], int32(m.view.Len()), token
		}
		frames[i] = &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Update{Update: u}}
		size += int64(len(part))
	}
	return frames, size
}
