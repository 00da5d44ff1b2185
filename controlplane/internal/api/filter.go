package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// layersFor returns the layers of a configuration that a list asks for.
func layersFor(s *state.State, r *adminv1.LayerServiceListRequest) []*state.Resource {
	query := strings.ToLower(r.GetQuery())
	served := servedLayers(s, r.GetService())
	return wanted(s.Layers(), r.GetService()+r.GetOwner()+r.GetTag()+query != "", func(resource *state.Resource) bool {
		l := resource.Layer()
		return (r.GetService() == "" || l.GetService() == r.GetService() || served[l.GetLayerId()]) &&
			among(r.GetOwner(), l.GetOwners()) && among(r.GetTag(), l.GetTags()) &&
			(query == "" || holds(query, l.GetLayerId(), l.GetDescription()))
	})
}

// servedLayers returns the layers in which a service has an experiment.
func servedLayers(s *state.State, service string) map[string]bool {
	served := map[string]bool{}
	if service == "" {
		return served
	}
	for _, r := range s.Experiments() {
		if x := r.Experiment(); x.GetService() == service {
			served[x.GetLayerId()] = true
		}
	}
	return served
}

// experimentsFor returns the experiments of a configuration that a list asks for.
func experimentsFor(s *state.State, r *adminv1.ExperimentServiceListRequest) []*state.Resource {
	query := strings.ToLower(r.GetQuery())
	filtered := r.GetService()+r.GetLayerId()+r.GetOwner()+r.GetTag()+query != "" || len(r.GetStates()) > 0
	return wanted(s.Experiments(), filtered, func(resource *state.Resource) bool {
		x := resource.Experiment()
		return (r.GetService() == "" || x.GetService() == r.GetService()) &&
			(r.GetLayerId() == "" || x.GetLayerId() == r.GetLayerId()) &&
			(len(r.GetStates()) == 0 || slices.Contains(r.GetStates(), x.GetState())) &&
			among(r.GetOwner(), x.GetOwners()) && among(r.GetTag(), x.GetTags()) &&
			(query == "" || query == strconv.Itoa(int(x.GetEid())) ||
				holds(query, x.GetName(), x.GetDescription(), x.GetHypothesis()))
	})
}

// wanted returns the resources that pass. Without filters that is the list
// itself, which is shared.
func wanted(all []*state.Resource, filtered bool, pass func(*state.Resource) bool) []*state.Resource {
	if !filtered {
		return all
	}
	var some []*state.Resource
	for _, r := range all {
		if pass(r) {
			some = append(some, r)
		}
	}
	return some
}

// among reports whether a list has a text, if one is wanted.
func among(want string, list []string) bool { return want == "" || slices.Contains(list, want) }

// holds reports whether one of some texts has the query, which is in lower case,
// in any case.
func holds(query string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), query) })
}
