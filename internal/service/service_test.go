package service_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/internal/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const grace = 10 * time.Second

// recorder notes what happens, in order.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *recorder) part(name string, started chan<- struct{}) service.Part {
	stop := make(chan struct{})
	return service.Part{
		Name: name,
		Run: func(context.Context) error {
			started <- struct{}{}
			<-stop
			return nil
		},
		Stop: func(context.Context) error {
			r.note(name)
			close(stop)
			return nil
		},
	}
}

func TestRunStopsInReverseOrder(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var r recorder
	started := make(chan struct{}, 3)
	done := make(chan error, 1)
	go func() {
		done <- service.Run(ctx, grace, r.part("a", started), r.part("b", started), r.part("c", started))
	}()
	for range 3 {
		<-started
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(r.events, want) {
		t.Errorf("stopped in order %v, want %v", r.events, want)
	}
}

func TestRunEndsWithItsFirstPart(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, test := range []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"error", func(context.Context) error { return broken }, "second: broken"},
		{"no error", func(context.Context) error { return nil }, "second: ended by itself"},
		{"panic", func(context.Context) error { panic("oh") }, "second: panic: oh"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := service.Run(t.Context(), grace,
				service.Part{Name: "first", Run: func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}},
				service.Part{Name: "second", Run: test.run})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestRunStopsWhatIsStoppedAlready(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second}
	released := false
	err = service.Run(ctx, grace,
		service.Part{Name: "a", Run: func(ctx context.Context) error {
			<-ctx.Done()
			released = true
			return nil
		}},
		service.Server("http", server, listener))
	if err != nil || !released {
		t.Errorf("got %v, released %v", err, released)
	}
	if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

func TestServerFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	server := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			_, _ = io.WriteString(w, "whole")
		}),
	}
	server.RegisterOnShutdown(func() { close(leave) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx, grace, service.Server("http", server, listener)) }()
	answer := make(chan string, 1)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	go func() {
		response, err := client.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		answer <- string(body)
	}()
	<-entered
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "whole" {
		t.Errorf("got %q", got)
	}
}

func TestServerIsCutOffWhenTimeIsUp(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	server := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx, time.Millisecond, service.Server("http", server, listener)) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	failed := make(chan error, 1)
	go func() {
		response, err := client.Get("http://" + listener.Addr().String())
		if err == nil {
			_ = response.Body.Close()
		}
		failed <- err
	}()
	<-entered
	cancel()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
}
