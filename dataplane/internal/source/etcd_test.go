package source

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

func TestEtcdContract(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	t.Run("contract", func(t *testing.T) {
		t.Parallel()
		testContract(t, func(t *testing.T) fixture { t.Helper(); return server.fixture(t) })
	})
}

func (f *etcdFixture) source(holder *snapshot.Holder, log *slog.Logger) Source {
	etcd := NewEtcd(EtcdConfig{Endpoints: []string{"http://" + f.address}, Prefix: f.prefix}, holder, log)
	etcd.times = etcdTimes{answer: 2 * time.Second, beat: 50 * time.Millisecond, silence: time.Second, audit: time.Hour}
	return etcd
}

// newContract returns a contract of its own for what only one source has.
func newContract(t *testing.T, f fixture) *contract {
	t.Helper()
	c := &contract{t: t, fixture: f, log: &lines{}}
	c.holder = snapshot.NewHolder(c.now)
	return c
}

func (c *contract) etcd() *Etcd { return c.source.(*Etcd) }

// at checks where what is served stands.
func (c *contract) at(epoch, revision int64) {
	c.t.Helper()
	if s := c.holder.Current(); s.Epoch != epoch || s.Revision() != revision {
		c.t.Errorf("revision %d of epoch %d is served, want %d of %d", s.Revision(), s.Epoch, revision, epoch)
	}
}

// TestEtcdRevisions has two data planes, one of which starts later.
func TestEtcdRevisions(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	f := server.fixture(t)
	early, late := newContract(t, f), newContract(t, f)
	early.begin("one")
	server.put("elsewhere", "x") // is a revision of the store all the same
	changed := server.edit(t, f.prefix, edit{"experiments/1.json", experiment("two")})
	early.awaitAnswer(value("two"))
	early.at(1, changed)
	read := server.put("elsewhere", "y")
	late.start()
	late.at(1, read)
	late.follow()
	changed = server.edit(t, f.prefix, edit{"experiments/1.json", experiment("six")})
	for _, c := range []*contract{early, late} {
		c.awaitAnswer(value("six"))
		c.at(1, changed)
	}
}

// TestEtcdPages reads more documents than one answer has.
func TestEtcdPages(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	f := server.fixture(t)
	const many = 2*etcdPage + 10
	var edits []edit
	for i := range many {
		edits = append(edits, edit{
			fmt.Sprintf("layers/%04d.json", i),
			fmt.Sprintf(`{"layer_id": "l%d", "priority": 1, "hash_key": "user_id", "salt": "s", "ranges": []}`, i),
		})
		if len(edits) == 100 || i == many-1 {
			server.edit(t, f.prefix, edits...)
			edits = nil
		}
	}
	c := newContract(t, f)
	c.begin("one")
	if got := c.holder.Current().Ruleset.Layers(); got != many+1 {
		t.Errorf("got %d layers, want %d", got, many+1)
	}
}

// TestEtcdCompaction compacts what a data plane has missed.
func TestEtcdCompaction(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	f := server.fixture(t)
	c := newContract(t, f)
	c.begin("one")
	f.cut()
	server.edit(t, f.prefix, edit{"experiments/1.json", experiment("two")})
	server.edit(t, f.prefix, edit{"experiments/1.json", ""}, edit{"experiments/one.json", experiment("six")})
	revision := server.put("elsewhere", "x")
	if _, err := server.client.Compact(server.context(), revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	f.mend()
	c.awaitAnswer(value("six"))
	c.at(1, revision)
	server.edit(t, f.prefix, edit{"experiments/one.json", experiment("ten")})
	c.awaitAnswer(value("ten"))
	c.published(3)
}

// TestEtcdRestart kills the server and starts it again.
func TestEtcdRestart(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c := newContract(t, server.fixture(t))
	c.begin("one")
	for _, v := range []string{"two", "six"} {
		server.kill()
		c.await("it is stale", func() bool { c.ahead.Add(int64(time.Second)); stale, _ := c.holder.Stale(); return stale > time.Minute })
		if answer(c.holder.Current()) == value(v) {
			t.Fatal("it answers what is not yet")
		}
		server.start()
		c.put(edit{"experiments/1.json", experiment(v)})
		c.awaitAnswer(value(v))
		c.await("it is not stale", func() bool { stale, _ := c.holder.Stale(); return stale < time.Minute })
	}
	if epoch := c.holder.Current().Epoch; epoch != firstEpoch {
		t.Errorf("epoch %d after a restart", epoch)
	}
}

// TestEtcdOtherStore puts another store in the place of the one that was: it is
// refused, whatever comes, until its epoch is raised. What starts then and what was
// there before have the same positions.
func TestEtcdOtherStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, token, want string
		more              int // how many revisions the other one has more than the contents
	}{
		{"another cluster of more revisions", "second", "it is the cluster", 200},
		{"another cluster of fewer", "second", "it is the cluster", 0},
		{"a restored one of the same id", "first", "its revision is", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startEtcd(t)
			f := server.fixture(t)
			for range 100 {
				server.put("elsewhere", "x")
			}
			c := newContract(t, f)
			c.begin("one")
			before := c.holder.Current()
			f.cut() // until the other one has all its revisions
			server.kill()
			server.wipe()
			server.token = test.token
			server.start()
			for range test.more {
				server.put("elsewhere", "x")
			}
			f.mend()
			c.awaitFailure("the store has gone back: "+test.want, "put a later number into "+f.prefix+"epoch")
			c.basics("two")
			for range 120 { // until it seems to have got further
				server.put(f.prefix+"elsewhere", time.Now().String())
			}
			revision := server.edit(t, f.prefix, edit{"experiments/1.json", experiment("six")})
			c.confirmedAnew()
			if c.holder.Current() != before {
				t.Errorf("epoch %d answers %s", c.holder.Current().Epoch, answer(c.holder.Current()))
			}
			if _, failed := c.holder.Failure(); !failed {
				t.Error("there is no failure any more")
			}
			server.put(f.prefix+"epoch", "1") // is what it was
			revision = max(revision, server.put(f.prefix+"epoch", strconv.FormatInt(time.Now().UnixMicro(), 10)))
			c.awaitAnswer(value("six"))
			c.awaitNoFailure()
			after := c.holder.Current()
			if c.at(after.Epoch, revision); after.Epoch <= firstEpoch {
				t.Errorf("epoch %d", after.Epoch)
			}
			revision = server.edit(t, f.prefix, edit{"experiments/1.json", experiment("ten")})
			c.awaitAnswer(value("ten"))
			late := newContract(t, f)
			late.start()
			for _, each := range []*contract{c, late} {
				each.at(after.Epoch, revision)
			}
		})
	}
}

// TestEtcdRestoredFurther restores a store that has got further by the time a data
// plane comes back, which nothing tells: with the epoch it is read as a whole.
func TestEtcdRestoredFurther(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	f := server.fixture(t)
	l, e := second("x")
	f.edit(t, edit{"layers/b.json", l}, edit{"experiments/2.json", e}) // is lost
	c := newContract(t, f)
	c.begin("one")
	f.cut()
	server.kill()
	server.wipe()
	server.start()
	for range 20 {
		server.put("elsewhere", "x")
	}
	c.basics("two")
	epoch := server.put(f.prefix+"epoch", "2")
	f.mend()
	c.awaitAnswer(value("two"))
	c.at(2, epoch)
}

// TestEtcdAudit changes what a data plane has missed for whatever reason.
func TestEtcdAudit(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c := newContract(t, server.fixture(t))
	c.basics("one")
	c.open()
	c.etcd().times.audit = 100 * time.Millisecond
	c.startOpened()
	c.put(edit{"experiments/1.json", experiment("two")})
	c.etcd().known++ // as if it had been taken
	c.follow()
	c.awaitAnswer(value("two"))
}
