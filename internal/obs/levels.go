package obs

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
)

// Levels is how much each package logs. The zero value is info for all.
type Levels struct {
	overall slog.Level
	of      map[string]slog.Level
}

// levelOff lets nothing through.
const levelOff = slog.Level(math.MaxInt)

// ParseLevels reads levels as in "info,engine=debug,source=warn": a level for
// all packages and levels for some, in any order, separated by commas. Levels
// are debug, info, warn, error and off. The empty text is info.
//
// It also takes what stands in a RUST_LOG variable of old deployments: trace is
// read as debug, and of a module path such as a::b the last part names the
// package.
func ParseLevels(text string) (Levels, error) {
	levels := Levels{of: map[string]slog.Level{}}
	overall := false
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, word, named := strings.Cut(part, "=")
		if !named {
			name, word = "", part
		}
		level, err := parseLevel(strings.TrimSpace(word))
		if err != nil {
			return Levels{}, fmt.Errorf("log level %q: %w", part, err)
		}
		if i := strings.LastIndex(name, "::"); i >= 0 {
			name = name[i+2:]
		}
		name = strings.TrimSpace(name)
		switch {
		case named && name == "":
			return Levels{}, fmt.Errorf("log level %q: want the name of a package before =", part)
		case named:
			levels.of[name] = level
		case overall:
			return Levels{}, fmt.Errorf("log level %q: there is a level for all packages already", part)
		default:
			levels.overall, overall = level, true
		}
	}
	return levels, nil
}

// Of returns the level of a package.
func (l Levels) Of(name string) slog.Level {
	if level, ok := l.of[name]; ok {
		return level
	}
	return l.overall
}

func parseLevel(word string) (slog.Level, error) {
	switch strings.ToLower(word) {
	case "trace", "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "off":
		return levelOff, nil
	default:
		return 0, errors.New("want debug, info, warn, error or off, for all packages or as in engine=debug")
	}
}
