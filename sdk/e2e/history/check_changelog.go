package history

// publish is what became of a change.
type publish struct {
	revision        int64 // 0 until it was acknowledged
	refused, unsure bool
}

// publish notes what publishers were told, and checks I12 of it.
func (c *checker) publish(e *Event) {
	p := c.keys[e.Key]
	if p == nil {
		p = &publish{}
		c.keys[e.Key] = p
	}
	switch e.What {
	case OK:
		if p.revision != 0 && p.revision != e.Revision {
			c.fail("I12", "%s was acknowledged as revision %d and as %d", e.Key, p.revision, e.Revision)
		}
		p.revision = e.Revision
	case Fail:
		p.refused = true
	case Unknown:
		p.unsure = true
	default:
	}
}

// changelog checks I10, I11 and I12 of what the database says at the end.
func (c *checker) changelog() {
	made := map[string]int64{}
	for i, r := range c.truth.Revisions {
		if want := c.truth.Floor + int64(i); r.Number != want {
			c.fail("I11", "the changelog has revision %d where %d should be", r.Number, want)
			return
		}
		if i > 0 && r.Parent != c.truth.Revisions[i-1].Hash {
			c.fail("I11", "revision %d is not chained to the one before", r.Number)
		}
		if r.Key == "" {
			continue
		}
		if before, again := made[r.Key]; again {
			c.fail("I12", "%s is in revisions %d and %d", r.Key, before, r.Number)
		}
		made[r.Key] = r.Number
	}
	if n := len(c.truth.Revisions); n > 0 && c.truth.Revisions[n-1].Number != c.truth.Head.Revision {
		c.fail("I11", "the changelog ends with revision %d, and the newest is %v", c.truth.Revisions[n-1].Number, c.truth.Head)
	}
	if c.truth.Lost {
		return
	}
	for key, p := range c.keys {
		revision, ok := made[key]
		switch {
		case p.revision != 0 && p.revision >= c.truth.Floor && revision != p.revision:
			c.fail("I10", "%s was acknowledged as revision %d, and is in %d", key, p.revision, revision)
		case p.revision == 0 && p.refused && !p.unsure && ok:
			c.fail("I10", "%s was refused, and is in revision %d", key, revision)
		}
	}
}
