package source

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdServer is a real etcd server of one member, in a folder of its own.
type etcdServer struct {
	t       testing.TB
	dir     string
	flags   []string
	url     string // for clients
	peer    string
	token   string // of the cluster, from which its id is made
	process *os.Process
	ended   chan struct{}
	client  *clientv3.Client // nil behind TLS
}

// startEtcd starts a server that ends with the test. Without etcd the test is
// skipped, but not where CI is set.
func startEtcd(tb testing.TB, flags ...string) *etcdServer {
	tb.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		const problem = "etcd is not installed: apt-get install etcd-server, or put the binary etcd of its release into PATH"
		if os.Getenv("CI") != "" {
			tb.Fatal(problem)
		}
		tb.Skip(problem)
	}
	s := &etcdServer{t: tb, dir: tb.TempDir(), flags: flags, token: "first"}
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		if s.dir, err = os.MkdirTemp("/dev/shm", "strata-etcd-*"); err != nil { // each write is synced, which takes its time on disks
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	}
	scheme := "http://"
	if len(flags) > 0 {
		scheme = "https://"
	}
	s.url, s.peer = scheme+freeAddress(tb), "http://"+freeAddress(tb)
	tb.Cleanup(s.kill)
	s.start()
	return s
}

// freeAddress returns an address that nobody listens at.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func (s *etcdServer) address() string {
	_, address, _ := strings.Cut(s.url, "://")
	return address
}

// start starts the server on the data that is there.
func (s *etcdServer) start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command("etcd", append([]string{
		"--name=m", "--data-dir=" + s.data(), "--log-level=warn",
		"--listen-client-urls=" + s.url, "--advertise-client-urls=" + s.url,
		"--listen-peer-urls=" + s.peer, "--initial-advertise-peer-urls=" + s.peer, "--initial-cluster=m=" + s.peer,
		"--initial-cluster-token=" + s.token, "--heartbeat-interval=20", "--election-timeout=200",
	}, s.flags...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "ETCD_UNSUPPORTED_ARCH=" + runtime.GOARCH}
	command.Stdout, command.Stderr = log, log
	dieWithTests(command)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the server dies with the thread that started it
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.t.Fatal(err)
	}
	s.process, s.ended = command.Process, ended
	if s.flags != nil {
		return
	}
	if s.client == nil {
		if s.client, err = clientv3.New(clientv3.Config{Endpoints: []string{s.url}, Logger: zap.NewNop()}); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = s.client.Close() })
	}
	s.put("started", "at "+time.Now().String())
}

func (s *etcdServer) data() string { return filepath.Join(s.dir, "data") }

// kill ends the server as a crash does.
func (s *etcdServer) kill() {
	if s.process != nil {
		_ = s.process.Kill()
		<-s.ended
	}
}

// wipe removes the data of a killed server.
func (s *etcdServer) wipe() {
	s.t.Helper()
	if err := os.RemoveAll(s.data()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *etcdServer) context() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	s.t.Cleanup(cancel)
	return ctx
}

// put writes a key, as soon as the server can.
func (s *etcdServer) put(key, text string) int64 {
	s.t.Helper()
	ctx := s.context()
	for {
		answer, err := s.client.Put(ctx, key, text)
		if err == nil {
			return answer.Header.GetRevision()
		}
		if ctx.Err() != nil {
			s.t.Fatal(err)
		}
		select {
		case <-s.ended:
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("etcd has ended: %v\n%s", err, text)
		default:
		}
	}
}

// edit changes keys under a prefix in one transaction.
func (s *etcdServer) edit(tb testing.TB, prefix string, edits ...edit) int64 {
	tb.Helper()
	var operations []clientv3.Op
	for _, e := range edits {
		if e.text == "" {
			operations = append(operations, clientv3.OpDelete(prefix+e.name))
		} else {
			operations = append(operations, clientv3.OpPut(prefix+e.name, e.text))
		}
	}
	answer, err := s.client.Txn(s.context()).Then(operations...).Commit()
	if err != nil {
		tb.Fatal(err)
	}
	return answer.Header.GetRevision()
}

// etcdFixture is a prefix of a server, which is reached through a proxy.
type etcdFixture struct {
	*proxy
	server *etcdServer
	prefix string
}

func (s *etcdServer) fixture(tb testing.TB) *etcdFixture {
	tb.Helper()
	return &etcdFixture{newProxy(tb, s.address()), s, tb.Name() + "/"}
}

func (*etcdFixture) promises() promises {
	return promises{transactions: true, outages: true, faults: true, epochs: true, waits: true}
}

func (f *etcdFixture) edit(tb testing.TB, edits ...edit) {
	tb.Helper()
	f.server.edit(tb, f.prefix, edits...)
}
