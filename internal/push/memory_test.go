package push

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

// BenchmarkStreamMemory is what an open stream needs, its client included: both
// ends are in this process.
func BenchmarkStreamMemory(b *testing.B) {
	const streams = 1000
	for _, http2 := range []bool{true, false} {
		b.Run(map[bool]string{true: "HTTP/2", false: "HTTP/1.1"}[http2], func(b *testing.B) {
			keys := newKeys(b)
			plane := keys.add(servingv1.Role_ROLE_PLANE)
			hub := NewHub(production, NewSealer(clusterKey))
			hub.Publish(large(100))
			server := newServer(hub, keys, func(c *Config) { c.Options.StreamsPerSecond, c.Options.StreamsBurst = 1e6, 1e6 })
			stop := make(chan struct{})
			path, handler := NewHandler(server, rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {}), stop)
			mux := http.NewServeMux()
			mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler.ServeHTTP(w, r.WithContext(keys.context(r.Context(), plane)))
			}))
			listener := httptest.NewUnstartedServer(nil)
			listener.Config = rpc.NewServer(mux, slog.New(slog.DiscardHandler))
			listener.Start()
			defer listener.Close()
			defer close(stop)
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(!http2)
			transport.Protocols.SetUnencryptedHTTP2(http2)
			defer transport.CloseIdleConnections()
			client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: transport}, listener.URL)
			for b.Loop() {
				before := used()
				var open []*connect.ServerStreamForClient[servingv1.WatchResponse]
				for range streams {
					stream, err := client.Watch(b.Context(), watchRequest(nil))
					if err != nil {
						b.Fatal(err)
					}
					for stream.Receive() && stream.Msg().GetHeartbeat() == nil {
					}
					open = append(open, stream)
				}
				b.ReportMetric(float64(used()-before)/streams, "bytes/stream")
				for _, stream := range open {
					_ = stream.Close()
				}
			}
		})
	}
}

// used is the memory that is in use.
func used() int64 {
	runtime.GC()
	runtime.GC() // pools give up what they hold after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
