package ingest

import (
	"context"
	"log/slog"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Batch is entries that were checked, at least one. They are not changed once
// they are in a batch, and may be kept.
type Batch struct {
	Exposures []*servingv1.Exposure
	Events    []*servingv1.Event
	// Client is the sender's software and its version, as far as it says so.
	Client string
	// AccessKey is the key that signed the call; empty where nobody did.
	AccessKey string
}

// Sink takes batches. It is safe for concurrent use.
type Sink interface {
	// Record takes a batch. An evaluation may wait for it, so that what takes long
	// is done later. An error means that nothing of the batch was taken, and reaches
	// the caller of EventService: a *rpc.Declined that says to come back.
	Record(ctx context.Context, batch *Batch) error
}

// Log is a Sink that writes what it gets to the log, and keeps nothing. Who was
// exposed is personal data: it is there at the level debug alone.
type Log struct{ log *slog.Logger }

var _ Sink = (*Log)(nil)

// NewLog returns a Sink that writes to a log.
func NewLog(log *slog.Logger) *Log { return &Log{log} }

// Record implements Sink.
func (l *Log) Record(ctx context.Context, batch *Batch) error {
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	for _, e := range batch.Exposures {
		l.log.LogAttrs(ctx, slog.LevelDebug, "exposure",
			slog.String("insert_id", e.GetInsertId()), slog.Time("at", e.GetTime().AsTime()), slog.String("service", e.GetService()),
			slog.String("layer_id", e.GetLayerId()), slog.String("hash_key", e.GetHashKey()), slog.String("key", e.GetKey()),
			slog.Int("slot", int(e.GetSlot())), slog.Int("eid", int(e.GetEid())), slog.Int("vid", int(e.GetVid())),
			slog.Int64("epoch", e.GetEpoch()), slog.Int64("revision", e.GetRevision()),
			slog.String("path", e.GetPath()), slog.Bool("hidden", e.GetHidden()), slog.String("client", batch.Client))
	}
	for _, e := range batch.Events {
		attributes := []slog.Attr{
			slog.String("insert_id", e.GetInsertId()), slog.Time("at", e.GetTime().AsTime()), slog.String("name", e.GetName()),
			slog.Any("units", e.GetUnits()), slog.String("client", batch.Client),
		}
		if e.Value != nil {
			attributes = append(attributes, slog.Float64("value", e.GetValue()))
		}
		if e.GetProperties() != nil {
			attributes = append(attributes, slog.Any("properties", e.GetProperties().AsMap()))
		}
		l.log.LogAttrs(ctx, slog.LevelDebug, "event", attributes...)
	}
	return nil
}
