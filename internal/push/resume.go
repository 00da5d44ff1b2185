package push

// verdict is what a resume token comes to at one moment of a feed.
type verdict int

const (
	// begin is to send everything.
	begin verdict = iota
	// proceed is to go on from the token's position.
	proceed
	// ahead is that the feed is behind what the token's holder has.
	ahead
	// forked is that the token's holder was sent something else at a position
	// that the feed knows: by us, if the token is proven.
	forked
)

// origin is where a stream begins.
type origin struct {
	from   state // the zero state to begin anew
	reason string
}

// judge says what a token comes to. now may be nil, where nothing is published
// yet. What is not in the feed's history, or can not be known to be, begins anew;
// but nobody is sent something older than what they have.
func (f *feed) judge(token []byte, now *moment) (p place, proven bool, v verdict, reason string) {
	if len(token) == 0 {
		return p, false, begin, "no position was given"
	}
	p, proven, ok := f.hub.sealer.open(token)
	if !ok {
		return p, false, begin, "the resume token is malformed"
	}
	if p.environment != f.hub.tag {
		return p, proven, begin, "the resume token is of another environment"
	}
	if now == nil {
		return p, proven, ahead, ""
	}
	at := now.view.Position()
	switch {
	case p.position.Compare(at) > 0:
		return p, proven, ahead, ""
	case p.scope != f.scope.tag():
		return p, proven, begin, "the resume token is of another scope"
	case p.codec != thisCodec():
		return p, proven, begin, "the resume token was made by a server of another version"
	case p.position.Epoch != at.Epoch:
		return p, proven, begin, "the resume token is of an earlier history"
	}
	hash, known := f.remembered(p.position)
	switch {
	case !known:
		return p, proven, begin, "that revision is not remembered here"
	case hash != p.hash && proven:
		return p, proven, forked, ""
	case hash != p.hash:
		return p, proven, begin, "that revision is another one here"
	case p.position == at:
		return p, proven, proceed, "nothing has changed"
	default:
		return p, proven, proceed, "what has changed since"
	}
}

func (p place) state() state { return state{p.position, p.hash} }

// before reports whether a state has to be led to a moment: to a later position,
// or to what else is at the same one.
func (s state) before(m *moment) bool {
	if m == nil {
		return false
	}
	c := s.position.Compare(m.view.Position())
	return c < 0 || c == 0 && s.hash != m.view.Hash() || s == state{}
}
