package ofrep

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// etagOf returns an entity tag that is equal only for equal answers: of what runs,
// for some services, in a context. The inside of lists and objects in a context has
// no part in it, as it has none in evaluations.
func etagOf(at position, stale bool, services []string, context engine.Context) string {
	hash := sha256.New()
	var size [8]byte
	text := func(s string) {
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		hash.Write(size[:])
		hash.Write([]byte(s))
	}
	text(at.String())
	text(strconv.FormatBool(stale))
	text(strconv.Itoa(len(services))) // so that no name is taken for what follows
	for _, service := range services {
		text(service)
	}
	sorted := slices.Clone(context)
	slices.SortFunc(sorted, func(a, b engine.Attribute) int { return strings.Compare(a.Name, b.Name) })
	var value []byte
	for _, a := range sorted {
		value = value[:0]
		if a.Value.Kind() != engine.Composite {
			value = a.Value.AppendJSON(value)
		}
		text(a.Name)
		text(string(value))
	}
	const bytes = 16
	return `"` + hex.EncodeToString(hash.Sum(nil)[:bytes]) + `"`
}

// matches reports whether one of the tags of If-None-Match is the given one. Weak
// ones count, and so do those that have lost their quotes.
func matches(lines []string, etag string) bool {
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if strings.Trim(tag, `"`) == strings.Trim(etag, `"`) {
				return true
			}
		}
	}
	return false
}
