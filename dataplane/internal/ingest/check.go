package ingest

import (
	"fmt"
	"math"
	"strconv"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Limits of a batch and its entries, as the proto states them.
const (
	maxEntries       = 1000
	maxClientBytes   = 256
	maxInsertIDBytes = 64
	maxNameBytes     = 256
	maxKeyBytes      = 4096
	maxPathBytes     = 4096
	maxUnits         = 16
	maxSlot          = 9999
	maxProperties    = 16 << 10
)

// problem is what is wrong with an entry, and where in it. The zero problem is
// none.
type problem struct{ field, text string }

func problemf(field, format string, args ...any) problem {
	return problem{field, fmt.Sprintf(format, args...)}
}

// first returns the first of some problems.
func first(problems ...problem) problem {
	for _, p := range problems {
		if p.text != "" {
			return p
		}
	}
	return problem{}
}

func checkExposure(e *servingv1.Exposure) problem {
	return first(
		checkText("insert_id", e.GetInsertId(), 1, maxInsertIDBytes),
		checkTime(e),
		checkText("service", e.GetService(), 1, maxNameBytes),
		checkText("layer_id", e.GetLayerId(), 1, maxNameBytes),
		checkText("hash_key", e.GetHashKey(), 1, maxNameBytes),
		checkText("key", e.GetKey(), 1, maxKeyBytes),
		checkRange("slot", int64(e.GetSlot()), 0, maxSlot),
		checkRange("eid", int64(e.GetEid()), 1, math.MaxInt32),
		checkRange("vid", int64(e.GetVid()), 1, math.MaxInt32),
		checkRange("epoch", e.GetEpoch(), 0, math.MaxInt64),
		checkRange("revision", e.GetRevision(), 0, math.MaxInt64),
		checkText("path", e.GetPath(), 0, maxPathBytes),
	)
}

func checkEvent(e *servingv1.Event) problem {
	return first(
		checkText("insert_id", e.GetInsertId(), 1, maxInsertIDBytes),
		checkTime(e),
		checkText("name", e.GetName(), 1, maxNameBytes),
		checkUnits(e.GetUnits()),
		checkValue(e.Value),
		checkProperties(e.GetProperties()),
	)
}

func checkText(field, text string, least, most int) problem {
	switch {
	case len(text) < least:
		return problemf(field, "want %d to %d bytes, got none", least, most)
	case len(text) > most:
		return problemf(field, "want at most %d bytes, got %d", most, len(text))
	default:
		return problem{}
	}
}

func checkTime(e entry) problem {
	switch t := e.GetTime(); {
	case t == nil:
		return problemf("time", "want a time, got nothing")
	case !t.IsValid():
		return problemf("time", "want a time between the years 1 and 9999")
	default:
		return problem{}
	}
}

func checkRange(field string, n, least, most int64) problem {
	switch {
	case n >= least && n <= most:
		return problem{}
	case most == maxSlot:
		return problemf(field, "want %d to %d, got %d", least, most, n)
	default:
		return problemf(field, "want at least %d, got %d", least, n)
	}
}

func checkUnits(units map[string]string) problem {
	if len(units) == 0 || len(units) > maxUnits {
		return problemf("units", "want 1 to %d, got %d", maxUnits, len(units))
	}
	for hashKey, key := range units {
		if hashKey == "" || len(hashKey) > maxNameBytes {
			return problemf("units", "want names of 1 to %d bytes, got one of %d", maxNameBytes, len(hashKey))
		}
		if p := checkText("units["+strconv.Quote(rpc.Clip(hashKey))+"]", key, 1, maxKeyBytes); p.text != "" {
			return p
		}
	}
	return problem{}
}

func checkValue(value *float64) problem {
	if value != nil && (math.IsNaN(*value) || math.IsInf(*value, 0)) {
		return problemf("value", "want a finite number, got %v", *value)
	}
	return problem{}
}
