package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// ties warns of layers of one priority that set the same parameter of a
// service.
func (l *linter) ties() {
	params, service := map[int32]string{}, map[int32]string{} // by vid
	for _, e := range l.snapshot.GetExperiments() {
		for _, v := range e.GetVariants() {
			params[v.GetVid()], service[v.GetVid()] = v.GetParamsJson(), e.GetService()
		}
	}
	type rank struct {
		priority int32
		service  string
	}
	tied := map[rank][]tiedLayer{}
	for i, layer := range l.snapshot.GetLayers() {
		if !layer.GetEnabled() {
			continue
		}
		vids := map[rank][]int32{}
		for _, r := range layer.GetRanges() {
			at := rank{layer.GetPriority(), service[r.GetVid()]}
			vids[at] = append(vids[at], r.GetVid())
		}
		for at, all := range vids {
			slices.Sort(all)
			tied[at] = append(tied[at], tiedLayer{layer.GetLayerId(), l.set.LayerFile(i), slices.Compact(all)})
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(tied), func(a, b rank) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.service, b.service))
	}) {
		for _, t := range conflicts(tied[at], params) {
			l.warn(t.below.file, "priority", "is %d, as in layer %s, and both set %s of %s: %s wins only because its name comes first",
				at.priority, t.above.id, some(t.paths), at.service, t.above.id)
		}
	}
}

// tiedLayer is a layer with its variants of one service.
type tiedLayer struct {
	id, file string
	vids     []int32
}

// conflict is the paths at which one layer hides what another one sets.
type conflict struct {
	above, below tiedLayer
	paths        []string
}

// conflicts returns where layers of one priority and service set the same
// parameter, each path with the first layer that sets it.
func conflicts(layers []tiedLayer, params map[int32]string) []conflict {
	if len(layers) < 2 {
		return nil
	}
	slices.SortFunc(layers, func(a, b tiedLayer) int { return strings.Compare(a.id, b.id) })
	var all []conflict
	firstWhole, firstObject := map[string]int{}, map[string]int{} // path to index of layer
	for i, layer := range layers {
		whole, object := map[string]bool{}, map[string]bool{}
		for _, vid := range layer.vids {
			shape(params[vid], whole, object)
		}
		found := map[int][]string{}
		paths := maps.Clone(whole)
		maps.Copy(paths, object)
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			other, ok := firstWhole[path]
			if !ok && whole[path] { // objects are merged with objects, with anything else not
				other, ok = firstObject[path]
			}
			if ok {
				found[other] = append(found[other], path)
			}
		}
		for _, other := range slices.Sorted(maps.Keys(found)) {
			all = append(all, conflict{above: layers[other], below: layer, paths: found[other]})
		}
		note(firstWhole, whole, i)
		note(firstObject, object, i)
	}
	return all
}

func note(first map[string]int, paths map[string]bool, layer int) {
	for path := range paths {
		if _, ok := first[path]; !ok {
			first[path] = layer
		}
	}
}

// shape adds the paths at which parameters have whole values, and objects, as
// JSON Pointers.
func shape(params string, whole, object map[string]bool) {
	var root map[string]any
	if json.Unmarshal([]byte(params), &root) != nil {
		return // never, as it compiled
	}
	walk("", root, whole, object)
}

func walk(path string, members map[string]any, whole, object map[string]bool) {
	for key, value := range members {
		below := path + "/" + pointerEscape.Replace(key)
		if inner, ok := value.(map[string]any); ok {
			object[below] = true
			walk(below, inner, whole, object)
		} else {
			whole[below] = true
		}
	}
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
