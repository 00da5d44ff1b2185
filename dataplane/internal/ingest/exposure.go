package ingest

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Exposures returns the exposures that reading a path of a result makes, in the
// order of its matches: each new, of now. The result is that of evaluating the
// service in a context with what runs.
func Exposures(
	running *snapshot.Snapshot, service string, context engine.Context, result *engine.Result, path string, now time.Time,
) []*servingv1.Exposure {
	reading := running.Ruleset.Read(result, path)
	n := len(reading.Exposed) + len(reading.Hidden)
	if n == 0 {
		return nil
	}
	// They may be kept, and the texts of a request share memory with all of it.
	service, path = strings.Clone(service), strings.Clone(path)
	matches, at := running.Ruleset.Matches(result), timestamppb.New(now.Truncate(time.Millisecond))
	exposures := make([]*servingv1.Exposure, 0, n)
	for i := range matches {
		m := &matches[i]
		_, hidden := slices.BinarySearch(reading.Hidden, int32(i))
		if _, exposed := slices.BinarySearch(reading.Exposed, int32(i)); !exposed && !hidden {
			continue
		}
		key := strings.Clone(keyOf(context, m.HashKey))
		exposures = append(exposures, &servingv1.Exposure{
			InsertId: newID(), Time: at, Service: service,
			LayerId: m.LayerID, HashKey: m.HashKey, Key: key, Slot: engine.Slot(m.Salt, key), Eid: m.EID, Vid: m.VID,
			Epoch: running.Epoch, Revision: running.Revision(), Path: path, Hidden: hidden,
		})
	}
	return exposures
}

// keyOf returns the text that a layer hashed, which there is, as it matched.
func keyOf(context engine.Context, hashKey string) string {
	for _, a := range slices.Backward(context) { // the later one counts
		if a.Name == hashKey {
			key, _ := engine.KeyText(a.Value)
			return key
		}
	}
	return ""
}

// newID returns a random UUID, version 4.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
