package generate

import (
	"slices"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Next returns a valid configuration that differs a little from a valid one.
// Messages that do not change are the same.
func (g Generator) Next(s *configv1.Snapshot) *configv1.Snapshot {
	next := &configv1.Snapshot{
		Revision: s.GetRevision() + 1,
		Layers:   slices.Clone(s.GetLayers()), Experiments: slices.Clone(s.GetExperiments()), Fields: slices.Clone(s.GetFields()),
	}
	for range 1 + g.IntN(3) {
		g.change(next)
	}
	return next
}

func (g Generator) change(s *configv1.Snapshot) {
	l, e := g.IntN(len(s.Layers)), g.IntN(len(s.Experiments))
	layer, experiment := proto.CloneOf(s.Layers[l]), proto.CloneOf(s.Experiments[e])
	switch g.IntN(13) {
	case 0:
		layer.Enabled = !layer.GetEnabled()
	case 1:
		layer.Priority = int32(g.IntN(3))
	case 2:
		layer.Ranges = layer.GetRanges()[:g.IntN(len(layer.GetRanges())+1)]
	case 3:
		layer.Salt = g.salt(l)
	case 4:
		layer.HashKey = Pick(g, userField, "f1", "f2", "other")
	case 5:
		experiment.Rule = g.Rule(s, 3)
	case 6:
		experiment.Rule = nil
	case 7:
		Pick(g, experiment.GetVariants()...).ParamsJson = g.Params(4)
	case 8:
		// A layer of one service alone would refuse another one.
		experiment.Service = g.Service()
		for i := range s.Layers {
			if s.Layers[i].GetService() != "" {
				s.Layers[i] = proto.CloneOf(s.Layers[i])
				s.Layers[i].Service = ""
			}
		}
		layer.Service = ""
	case 9:
		// Experiments move to another layer.
		other := g.IntN(len(s.Layers))
		moved := proto.CloneOf(s.Layers[other])
		moved.Ranges, layer.Ranges = layer.GetRanges(), moved.GetRanges()
		moved.Service, layer.Service = layer.GetService(), moved.GetService()
		if other != l {
			s.Layers[other] = moved
		} else {
			layer = moved
		}
	case 10:
		g.addLayer(s)
	case 11:
		if len(s.Layers) > 1 {
			s.Layers = slices.Delete(s.Layers, l, l+1)
			return
		}
	case 12:
		if len(s.Fields) > 0 {
			f := g.IntN(len(s.Fields))
			s.Fields = slices.Delete(s.Fields, f, f+1)
		}
		g.Shuffle(len(s.Experiments), func(i, j int) { s.Experiments[i], s.Experiments[j] = s.Experiments[j], s.Experiments[i] })
		return
	}
	s.Layers[l], s.Experiments[e] = layer, experiment
}
