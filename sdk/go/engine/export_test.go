package engine

import configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

// What the external tests and benchmarks may see of the inside.

// Bucket hashes keys under one salt, as a layer does.
type Bucket struct {
	salt salt
	key  paddedKey
}

// NewBucket makes the salt known.
func NewBucket(salt string) *Bucket { return &Bucket{salt: newSalt(salt)} }

// SetKey makes the key known, as the first layer of a request does.
func (b *Bucket) SetKey(key string) { b.key.set(key) }

// Slot returns the slot of the key.
func (b *Bucket) Slot() uint16 { return b.salt.slot(&b.key) }

// ServiceLayers finds the layers of a service and returns how many they are.
func (r *Ruleset) ServiceLayers(name string) int {
	s := r.service(name)
	if s == nil {
		return 0
	}
	return len(s.layers)
}

// DisableCache makes the cache refuse every result, so that all are merged anew.
func (r *Ruleset) DisableCache() { r.shared.cache.limit = 0 }

// RuleBench evaluates one rule in one context, again and again.
type RuleBench struct {
	rule program
	in   inputs
}

func NewRuleBench(src *configv1.Rule, fields []*configv1.Field, ctx Context) (*RuleBench, error) {
	r, err := Compile(nil, &configv1.Snapshot{Fields: fields, Experiments: []*configv1.Experiment{{
		Eid: 1, Service: "s", Rule: src, Variants: []*configv1.Variant{{Vid: 1, ParamsJson: "{}"}},
	}}})
	if err != nil {
		return nil, err
	}
	b := &RuleBench{rule: r.experiments.get(1).program}
	b.in.bind(r.symbols, ctx)
	return b, nil
}

func (b *RuleBench) Eval() bool { return b.rule.run(&b.in) }

// MatchLike reports whether text is like pattern.
func MatchLike(pattern, text string) bool { return newPattern(pattern).match(text) }

// IsSemver reports whether text is a version.
func IsSemver(text string) bool {
	_, ok := parseSemver(text)
	return ok
}

// CompareSemver orders two versions.
func CompareSemver(a, b string) int {
	left, _ := parseSemver(a)
	right, _ := parseSemver(b)
	return left.compare(right)
}

// CacheBytes returns what the cache holds and what it may hold.
func (r *Ruleset) CacheBytes() (used, most int64) { return r.shared.cache.bytes.Load(), cacheBytes }

// Symbols returns how many names are known.
func (r *Ruleset) Symbols() int { return len(r.symbols) }
