package engine

// OwnLeaves returns what Leaves does, but for who is exposed: at each leaf the
// matches alone whose experiments have a leaf right there, and not above or below.
// Whoever has these needs no Ruleset: reading any path exposes a match that one of
// the leaves there, below or above has, and hides it if all those of them hide it
// that have it. The caller owns the slice.
func (r *Ruleset) OwnLeaves(result *Result) []Leaf {
	leaves := r.Leaves(result)
	for i := range leaves {
		leaf := &leaves[i]
		own, above, keys := &Reading{Value: leaf.Value, Winner: leaf.Winner}, new(cover), ParsePath(leaf.Path)
		for at, vid := range result.VIDs {
			v := r.variants.get(vid)
			switch o := v.experiment.outline().at(keys); {
			case o == nil || !o.leaf:
			case above.has(keys):
				own.Hidden = append(own.Hidden, int32(at))
			default:
				own.Exposed = append(own.Exposed, int32(at))
			}
			above.add(v.params, keys)
		}
		leaf.Reading = own
	}
	return leaves
}

// has reports whether there is a value at a path, or one that is no object at its
// beginning.
func (c *cover) has(keys []string) bool {
	for _, key := range keys {
		if c.whole {
			return true
		}
		if c = c.children[key]; c == nil {
			return false
		}
	}
	return true
}
