package plan

import (
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// value is a value of parameters.
type value struct {
	key  string // under which it stands
	text string // JSON
	// object says that it is one. An object without members is a whole value.
	object  bool
	members []value
}

// leaf reports whether it is a whole value: anything but an object with members.
// Nothing, nil, is none.
func (v *value) leaf() bool { return v != nil && len(v.members) == 0 }

// readParams reads parameters, which are valid.
func readParams(text string) *value {
	s := jsonscan.New(text)
	v := readValue(&s, text)
	return &v
}

func readValue(s *jsonscan.Scanner, text string) value {
	if s.Kind() != jsonscan.Object {
		return value{text: s.Skip()}
	}
	v := value{object: true}
	start := s.Pos()
	s.BeginObject()
	for {
		key, ok := s.NextKey()
		if !ok {
			break
		}
		if v.members == nil {
			v.members = make([]value, 0, 4)
		}
		member := readValue(s, text)
		member.key = key
		v.members = append(v.members, member)
	}
	v.text = strings.TrimRight(text[start:s.Pos()], " \t\r\n") // as Pos is where the next value would be
	return v
}

// experiment is an experiment as far as plans look into it.
type experiment struct {
	source   *adminv1.Experiment
	variants []variant
	byVID    map[int32]int // nil for few
}

// variant is a variant of which the parameters are read when they are needed.
type variant struct {
	vid  int32
	text string
	read *value
}

func (v *variant) params() *value {
	if v.read == nil {
		v.read = readParams(v.text)
	}
	return v.read
}

// reader keeps what was read of experiments.
type reader map[*adminv1.Experiment]*experiment

func (r reader) of(source *adminv1.Experiment) *experiment {
	x := r[source]
	if x != nil {
		return x
	}
	const few = 8 // up to here searching is cheaper than making a map
	x = &experiment{source: source, variants: make([]variant, len(source.GetVariants()))}
	if len(x.variants) > few {
		x.byVID = make(map[int32]int, len(x.variants))
	}
	for i, v := range source.GetVariants() {
		x.variants[i] = variant{vid: v.GetVid(), text: v.GetParamsJson()}
		if x.byVID != nil {
			x.byVID[v.GetVid()] = i
		}
	}
	r[source] = x
	return x
}

// variant returns a variant, nil if there is none.
func (x *experiment) variant(vid int32) *variant {
	if x.byVID != nil {
		if i, ok := x.byVID[vid]; ok {
			return &x.variants[i]
		}
		return nil
	}
	for i := range x.variants {
		if x.variants[i].vid == vid {
			return &x.variants[i]
		}
	}
	return nil
}

func (x *experiment) vids() []int32 {
	vids := make([]int32, len(x.variants))
	for i := range x.variants {
		vids[i] = x.variants[i].vid
	}
	return vids
}

// vidsIn returns those vids that other has too.
func (x *experiment) vidsIn(other *experiment) []int32 {
	var vids []int32
	for _, vid := range x.vids() {
		if other.variant(vid) != nil {
			vids = append(vids, vid)
		}
	}
	return vids
}
