package source

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// consulServer is what Consul's documentation says of its KV store over HTTP, as
// far as it is needed: reads of a prefix that block, single writes and deletes,
// and transactions. Indexes follow Consul's rules: that of a prefix is the index
// of the last change of a key under it, as long as deletions are remembered; a
// write of what is there already is none.
type consulServer struct {
	t      testing.TB
	server *httptest.Server

	mu      sync.Mutex
	index   uint64 // of all that is written
	entries map[string]consulEntry
	graves  map[string]uint64 // when a key was deleted, as long as that is remembered
	changed chan struct{}
	reads   []http.Header // what came with each read
	queries []string
	// answer, if not nil, answers a read in place of the server, and reports
	// whether it did.
	answer func(http.ResponseWriter, *http.Request) bool
}

type consulEntry struct {
	value    string
	modified uint64
}

func startConsul(tb testing.TB) *consulServer {
	tb.Helper()
	s := &consulServer{t: tb, index: 10, entries: map[string]consulEntry{}, graves: map[string]uint64{}, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/kv/{key...}", s.read)
	mux.HandleFunc("PUT /v1/kv/{key...}", s.write)
	mux.HandleFunc("DELETE /v1/kv/{key...}", s.write)
	mux.HandleFunc("PUT /v1/txn", s.transaction)
	s.server = httptest.NewServer(mux)
	tb.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	return s
}

func (s *consulServer) address() string { return s.server.Listener.Addr().String() }

// change changes what is stored, as one write.
func (s *consulServer) change(how func(index uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
	how(s.index)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *consulServer) set(key, value string, index uint64) {
	if before, ok := s.entries[key]; !ok || before.value != value {
		s.entries[key] = consulEntry{value, index}
	}
}

func (s *consulServer) remove(key string, index uint64) {
	if _, ok := s.entries[key]; ok {
		delete(s.entries, key)
		s.graves[key] = index
	}
}

// forget forgets when keys were deleted, as Consul does after a while.
func (s *consulServer) forget() { s.change(func(uint64) { clear(s.graves) }) }

// restore makes the store another one.
func (s *consulServer) restore(index uint64, entries map[string]string) {
	s.change(func(uint64) {
		s.index = index
		clear(s.entries)
		clear(s.graves)
		for key, value := range entries {
			s.entries[key] = consulEntry{value, index}
		}
	})
}

func (s *consulServer) intercept(answer func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// indexOf returns the index of a prefix.
func (s *consulServer) indexOf(prefix string) uint64 {
	index := uint64(0)
	for key, entry := range s.entries {
		if strings.HasPrefix(key, prefix) {
			index = max(index, entry.modified)
		}
	}
	for key, at := range s.graves {
		if strings.HasPrefix(key, prefix) {
			index = max(index, at)
		}
	}
	if index == 0 {
		return s.index
	}
	return index
}

func (s *consulServer) read(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.reads, s.queries = append(s.reads, r.Header), append(s.queries, r.URL.RawQuery)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	prefix := r.PathValue("key")
	if !r.URL.Query().Has("recurse") {
		http.Error(w, "this server knows no other reads", http.StatusBadRequest)
		return
	}
	after, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		s.mu.Lock()
		index, changed := s.indexOf(prefix), s.changed
		var found []map[string]any
		for _, key := range slices.Sorted(maps.Keys(s.entries)) {
			if entry := s.entries[key]; strings.HasPrefix(key, prefix) {
				found = append(found, map[string]any{
					"LockIndex": 0, "Key": key, "Flags": 0, "Value": []byte(entry.value),
					"CreateIndex": entry.modified, "ModifyIndex": entry.modified,
				})
			}
		}
		s.mu.Unlock()
		if after > 0 && index <= after {
			select {
			case <-changed:
				continue
			case <-r.Context().Done():
				return
			case <-over.C:
			}
		}
		w.Header().Set("X-Consul-Index", strconv.FormatUint(index, 10))
		w.Header().Set("X-Consul-KnownLeader", "true")
		w.Header().Set("X-Consul-LastContact", "0")
		if found == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(found)
		return
	}
}

func (s *consulServer) write(w http.ResponseWriter, r *http.Request) {
	var body strings.Builder
	if _, err := io.Copy(&body, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.change(func(index uint64) {
		if r.Method == http.MethodDelete {
			s.remove(r.PathValue("key"), index)
		} else {
			s.set(r.PathValue("key"), body.String(), index)
		}
	})
	_, _ = w.Write([]byte("true"))
}

func (s *consulServer) transaction(w http.ResponseWriter, r *http.Request) {
	var operations []struct {
		KV struct {
			Verb, Key string
			Value     []byte
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&operations); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.change(func(index uint64) {
		for _, o := range operations {
			if o.KV.Verb == "delete" {
				s.remove(o.KV.Key, index)
			} else {
				s.set(o.KV.Key, string(o.KV.Value), index)
			}
		}
	})
	_, _ = w.Write([]byte(`{"Results": [], "Errors": null}`))
}
