package obs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Format is how log records are written.
type Format string

// The formats. JSON is for machines and the default, text for people.
const (
	FormatJSON Format = "json"
	FormatText Format = "text"
)

// PackageKey is the attribute that says which package a record comes from.
const PackageKey = "package"

// NewLogger returns a logger that writes one line for each record to w.
func NewLogger(w io.Writer, format Format, levels Levels) (*slog.Logger, error) {
	// The inner handler takes everything; level is what decides.
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	var inner slog.Handler
	switch format {
	case FormatJSON:
		inner = slog.NewJSONHandler(w, options)
	case FormatText:
		inner = slog.NewTextHandler(w, options)
	default:
		return nil, fmt.Errorf("log format %q: want %s or %s", format, FormatJSON, FormatText)
	}
	return slog.New(&leveled{Handler: inner, levels: levels, level: levels.overall}), nil
}

// Discard returns a logger that writes nothing.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Logger returns the logger of one package: its records name the package, and
// its level is the one set for it.
func Logger(base *slog.Logger, name string) *slog.Logger {
	return base.With(slog.String(PackageKey, name))
}

// leveled is a handler that learns its package, and so its level, from the
// attribute that a logger is made with.
type leveled struct {
	slog.Handler

	levels  Levels
	level   slog.Level
	grouped bool // attributes now belong to a group, so none of them is the package
}

func (h *leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attrs)
	if !h.grouped {
		for _, attr := range attrs {
			if attr.Key == PackageKey {
				with.level = h.levels.Of(attr.Value.String())
			}
		}
	}
	return &with
}

func (h *leveled) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	with.grouped = true
	return &with
}
