package obs_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/obs"
)

func TestLoggerHasALevelForEachPackage(t *testing.T) {
	t.Parallel()
	levels, err := obs.ParseLevels("warn, source=debug ,api=off,engine=error")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	base, err := obs.NewLogger(&out, obs.FormatText, levels)
	if err != nil {
		t.Fatal(err)
	}
	log := func(logger *slog.Logger) {
		logger.Debug("d")
		logger.Info("i")
		logger.Warn("w")
		logger.Error("e")
	}
	for _, test := range []struct {
		name   string
		logger *slog.Logger
		want   string
	}{
		{"overall", base, "we"},
		{"own level", obs.Logger(base, "source"), "diwe"},
		{"off", obs.Logger(base, "api"), ""},
		{"no own level", obs.Logger(base, "other"), "we"},
		{"kept by what is made from it", obs.Logger(base, "engine").With("a", 1).WithGroup("g"), "e"},
		{"not a package in a group", base.WithGroup("g").With(obs.PackageKey, "source"), "we"},
	} {
		out.Reset()
		log(test.logger)
		var got strings.Builder
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, "msg=")
			got.WriteString(rest[:1])
		}
		if got.String() != test.want {
			t.Errorf("%s: logged %q, want %q", test.name, got.String(), test.want)
		}
	}
}

func TestLoggerWritesJSON(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	base, err := obs.NewLogger(&out, obs.FormatJSON, obs.Levels{})
	if err != nil {
		t.Fatal(err)
	}
	obs.Logger(base, "source").Info("hello", "n", 1)
	var record map[string]any
	if err := json.Unmarshal([]byte(out.String()), &record); err != nil {
		t.Fatal(err)
	}
	if record["msg"] != "hello" || record["package"] != "source" || record["n"] != 1.0 {
		t.Errorf("got %v", record)
	}
	if _, err := obs.NewLogger(&out, "xml", obs.Levels{}); err == nil {
		t.Error("an unknown format was taken")
	}
}

func TestParseLevels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, name string
		want       slog.Level
	}{
		{"", "x", slog.LevelInfo},
		{"debug", "x", slog.LevelDebug},
		{"trace", "x", slog.LevelDebug},
		{"engine=debug", "x", slog.LevelInfo},
		{"engine=debug", "engine", slog.LevelDebug},
		{"experiment_data_plane::merge=debug", "merge", slog.LevelDebug},
		{"WARN,engine=Error", "engine", slog.LevelError},
	} {
		levels, err := obs.ParseLevels(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		}
		if got := levels.Of(test.name); got != test.want {
			t.Errorf("%q: %s has %v, want %v", test.text, test.name, got, test.want)
		}
	}
	for _, text := range []string{"loud", "engine=", "=debug", "info,debug", "engine=loud"} {
		if _, err := obs.ParseLevels(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestMetricsHandler(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	obs.MetricsHandler(obs.NewRegistry(), obs.Discard()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"go_goroutines", "process_start_time_seconds"} {
		if !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
}
