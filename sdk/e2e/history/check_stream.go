package history

// stream checks I4, I7, I8 and I14 of the frames that an observer read off the
// wire.
func (c *checker) stream(e *Event, o *observer) {
	most := 3*c.limits.Heartbeat/2 + c.limits.Slack
	switch gap := e.At - o.framed; {
	case e.What == Hello || !o.stream || c.limits.Heartbeat == 0:
	case c.limits.Healthy && gap > most:
		c.fail("I8", "%s heard nothing for %v, more than %v", e.Observer, gap, most)
	}
	if o.silent > 0 && e.What == End {
		if most, took := 3*c.limits.Heartbeat+c.limits.Slack, e.At-o.silent; c.limits.Heartbeat > 0 && took > most {
			c.fail("I8", "%s left a silent stream after %v, more than %v", e.Observer, took, most)
		}
		o.silent = 0
	}
	if since := e.At - o.revoked; o.revoked > 0 && c.limits.Revoke > 0 && since > c.limits.Revoke &&
		(e.What == Update || e.What == Beat || e.What == Hello) {
		c.fail("I7", "%s was sent a frame %v after its key was revoked", e.Observer, since)
	}
	o.framed = e.At
	switch e.What {
	case Hello:
		o.stream = true
	case Update:
		c.update(e, o)
	case Beat:
		c.beat(e, o)
	case Goodbye, End:
		o.stream = false
	default:
	}
}

func (c *checker) update(e *Event, o *observer) {
	if e.Kind == Delta {
		switch {
		case o.replicated == nil:
			c.fail("I4", "%s was sent what follows revision %d, and holds nothing", e.Observer, e.From)
		case o.replicated.Epoch != e.Epoch || o.replicated.Revision != e.From:
			c.fail("I4", "%s was sent what follows revision %d of epoch %d, and holds %v", e.Observer, e.From, e.Epoch, *o.replicated)
		}
	}
	if e.Own != "" && e.Own != e.Hash {
		c.fail("I3", "%s was sent %s as the hash of %v, and what it was sent makes %s", e.Observer, short(e.Hash), e.Position(), short(e.Own))
	}
	c.agree(e, e.Hash)
	at := e.Position()
	// One that has nothing, or begins anew since it is in doubt, may be sent what
	// it had. Nobody is ever sent something older.
	if o.replicated != nil && (at.Compare(*o.replicated) < 0 || e.Kind == Delta && at == *o.replicated) {
		c.fail("I1", "%s was sent %v after %v", e.Observer, at, *o.replicated)
	}
	o.replicated, o.hash = &at, e.Hash
	o.sent, o.sentHash = at, e.Hash
}

func (c *checker) beat(e *Event, o *observer) {
	at := e.Position()
	switch {
	case at.Compare(o.sent) < 0:
		c.fail("I14", "a heartbeat tells %s of %v after %v was sent", e.Observer, at, o.sent)
	case o.replicated == nil || at != *o.replicated || e.Hash != "" && o.hash != "" && e.Hash != o.hash:
		c.fail("I14", "a heartbeat tells %s of %v with %s, and what it was sent before does not lead there", e.Observer, at, short(e.Hash))
	}
}
