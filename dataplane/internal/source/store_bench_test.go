package source

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// BenchmarkPutToServed measures the time from when a change of one document
// among 10,000 is written, until it is served.
func BenchmarkPutToServed(b *testing.B) {
	b.Run("etcd", func(b *testing.B) { putToServed(b, startEtcd(b).fixture(b), newEtcdBench) })
	b.Run("consul", func(b *testing.B) { putToServed(b, newConsulFixture(b), newConsulBench) })
}

func newEtcdBench(f fixture, holder *snapshot.Holder) Source {
	e := f.(*etcdFixture)
	return NewEtcd(EtcdConfig{Endpoints: []string{e.server.url}, Prefix: e.prefix}, holder, slog.New(slog.DiscardHandler))
}

func newConsulBench(f fixture, holder *snapshot.Holder) Source {
	c := f.(*consulFixture)
	return NewConsul(ConsulConfig{Addr: c.server.server.URL, Prefix: c.config.Prefix}, holder, slog.New(slog.DiscardHandler))
}

func putToServed(b *testing.B, f fixture, open func(fixture, *snapshot.Holder) Source) {
	b.Helper()
	c := &contract{t: b, fixture: f, log: &lines{}}
	c.holder = snapshot.NewHolder(time.Now)
	const many = 10_000
	var edits []edit
	for i := range many {
		text := fmt.Sprintf(`{"eid": %d, "service": "svc", "variants": [{"vid": %d, "params": {"v": "x"}}]}`, i+10, i+100)
		if edits = append(edits, edit{fmt.Sprintf("experiments/many%d.json", i), text}); len(edits) == 100 {
			f.edit(b, edits...)
			edits = nil
		}
	}
	c.basics("first")
	c.source = open(f, c.holder)
	began := time.Now()
	c.startOpened()
	b.Logf("start with %d documents: %v", many, time.Since(began))
	c.follow()
	b.ResetTimer()
	for i := range b.N {
		v := fmt.Sprint("v", i)
		c.put(edit{"experiments/1.json", experiment(v)})
		for {
			changed := c.holder.Changed()
			if answer(c.holder.Current()) == value(v) {
				break
			}
			<-changed
		}
	}
}
