package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// etcdTimes are how long things take, but for tests.
type etcdTimes struct {
	// answer is how long one request may take.
	answer time.Duration
	// beat is how often the watch is asked how far it is, which proves that nothing
	// is missing: the data plane is no staler than that.
	beat time.Duration
	// silence is after how long without an answer the watch is given up.
	silence time.Duration
	// audit is how often everything is read anew. Events do not get lost, but
	// servers before 3.4.25 and 3.5.8 could answer beats too early, and a client
	// that reconnects just then would pass over what came in between.
	audit time.Duration
}

// etcdPage is how many keys are read at once. A value has 1.5 MiB at most unless
// the server was told otherwise.
const etcdPage = 200

// Etcd is a source of documents in etcd. Its revisions are those of etcd's store
// at which the documents were read or changed: etcd has one content at each, so
// equal revisions of an epoch are equal contents on every data plane that follows
// the cluster. Not every data plane serves every revision: one that starts, or comes
// back after a time, has the one at which it read.
//
// All that one transaction changes is one revision here as in etcd. Several that
// came together are taken as one.
type Etcd struct {
	documents
	config EtcdConfig
	times  etcdTimes

	cluster uint64
	known   int64 // the store's revision up to which the documents are known; 0 if they are to be read
}

var _ Source = (*Etcd)(nil)

// NewEtcd returns a source of what stands in etcd. It is for one goroutine.
func NewEtcd(config EtcdConfig, holder *snapshot.Holder, log *slog.Logger) *Etcd {
	return &Etcd{
		documents: newDocuments(config.Prefix, holder, log), config: config,
		times: etcdTimes{answer: 10 * time.Second, beat: 5 * time.Second, silence: 15 * time.Second, audit: 10 * time.Minute},
	}
}

// Start waits until there is a configuration to serve, however long etcd can not
// be reached, has no documents, or has some that are at fault: the last two are
// told to the holder. The error says what is wrong with the settings or the files
// that they name, or is the context's.
func (e *Etcd) Start(ctx context.Context) error {
	if err := e.config.Validate(); err != nil {
		return err
	}
	if _, err := e.client(); err != nil {
		return err
	}
	e.run(ctx, e.ready)
	if !e.ready() {
		return context.Cause(ctx)
	}
	return nil
}

// Run follows the keys until ctx ends.
func (e *Etcd) Run(ctx context.Context) error {
	e.run(ctx, func() bool { return false })
	return nil
}

// run follows the keys until there is enough or ctx ends.
func (e *Etcd) run(ctx context.Context, enough func() bool) {
	pauses := newPauses()
	for {
		err := e.connect(ctx, enough, &pauses)
		if err == nil || ctx.Err() != nil {
			return
		}
		e.complain(err)
		if !pauses.wait(ctx) {
			return
		}
	}
}

// client returns the settings of a client. Files are read each time, as
// certificates and passwords change.
func (e *Etcd) client() (clientv3.Config, error) {
	secrets, err := e.config.tls().read()
	if err != nil {
		return clientv3.Config{}, err
	}
	password, err := readSecret("etcd-password", e.config.Password, e.config.PasswordFile)
	if err != nil {
		return clientv3.Config{}, err
	}
	return clientv3.Config{
		Endpoints: e.config.Endpoints, TLS: secrets, Username: e.config.Username, Password: password,
		DialTimeout: e.times.answer, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		Logger: zap.NewNop(), // what matters is told by its errors
	}, nil
}

// connect follows the keys with one client. It returns nil when there is enough.
func (e *Etcd) connect(ctx context.Context, enough func() bool, pauses *pauses) error {
	config, err := e.client()
	if err != nil {
		return err
	}
	config.Context = ctx
	client, err := clientv3.New(config)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := e.resume(ctx, client); err != nil {
		return err
	}
	for {
		if enough() {
			return nil
		}
		pauses.over()
		err := e.watch(ctx, client, enough)
		if !errors.Is(err, errAnew) {
			return err
		}
		if err := e.read(ctx, client); err != nil {
			return err
		}
	}
}

// errAnew ends a watch after which everything is to be read.
var errAnew = errors.New("the documents are to be read anew")

// resume makes sure that what is known is from this store, and reads it anew if
// not.
func (e *Etcd) resume(ctx context.Context, client *clientv3.Client) error {
	if e.known == 0 {
		return e.read(ctx, client)
	}
	ctx, cancel := context.WithTimeout(ctx, e.times.answer)
	defer cancel()
	answer, err := client.Get(ctx, e.config.Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if e.another(answer.Header.GetClusterId(), answer.Header.GetRevision()) {
		return e.read(ctx, client)
	}
	return nil
}

// another reports whether an answer is not from the history that is known. A
// member that lags behind may seem to be so, but not to a linearizable read.
func (e *Etcd) another(cluster uint64, revision int64) bool {
	return e.cluster != 0 && cluster != e.cluster || revision < e.known
}

// read reads all documents as they are at one revision.
func (e *Etcd) read(ctx context.Context, client *clientv3.Client) error {
	began := time.Now()
	texts := map[string]string{}
	from, to := e.config.Prefix, clientv3.WithRange(clientv3.GetPrefixRangeEnd(e.config.Prefix))
	cluster, revision := uint64(0), int64(0)
	for more := true; more; {
		answer, err := e.page(ctx, client, from, to, clientv3.WithLimit(etcdPage), clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		if revision == 0 {
			cluster, revision = answer.Header.GetClusterId(), answer.Header.GetRevision()
		}
		if answer.Header.GetClusterId() != cluster {
			return errors.New("the endpoints belong to different clusters")
		}
		for _, kv := range answer.Kvs {
			texts[string(kv.Key)] = string(kv.Value)
			from = string(kv.Key) + "\x00" // the next key
		}
		more = answer.More
	}
	e.Replace(texts)
	e.cluster, e.known = cluster, revision
	e.follow(cluster, revision)
	e.confirm(time.Since(began))
	return nil
}

func (e *Etcd) page(ctx context.Context, client *clientv3.Client, from string, how ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, e.times.answer)
	defer cancel()
	return client.Get(ctx, from, how...)
}

// watch takes what changes after what is known. It returns nil when there is
// enough, and errAnew if changes may be missing.
func (e *Etcd) watch(ctx context.Context, client *clientv3.Client, enough func() bool) error {
	ctx, cancel := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	defer cancel(nil)
	silent := fmt.Errorf("etcd has been silent for %v", e.times.silence)
	opening := time.AfterFunc(e.times.silence, func() { cancel(silent) }) // else it waits for etcd for ever
	changes := client.Watch(ctx, e.config.Prefix, clientv3.WithPrefix(), clientv3.WithRev(e.known+1),
		clientv3.WithFragment(), clientv3.WithProgressNotify())
	opening.Stop()

	beat := time.NewTicker(e.times.beat)
	defer beat.Stop()
	audit := time.NewTimer(e.times.audit)
	defer audit.Stop()
	for heard := time.Now(); ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case change, ok := <-changes:
			if !ok {
				return errors.Join(errors.New("etcd's watch has ended"), context.Cause(ctx))
			}
			if err := e.hear(change, changes); err != nil {
				return err
			}
			if heard = time.Now(); enough() {
				return nil
			}
		case <-beat.C:
			if time.Since(heard) > e.times.silence {
				return silent
			}
			e.ask(ctx, client)
		case <-audit.C:
			return errAnew
		}
	}
}

// ask asks the watch how far it is. That waits while the client has no
// connection, and so is not waited for.
func (e *Etcd) ask(ctx context.Context, client *clientv3.Client) {
	ctx, cancel := context.WithTimeout(ctx, e.times.beat/2)
	defer cancel()
	_ = client.RequestProgress(ctx) // there is no answer then
}

// hear takes one answer of a watch, and those that are there already, so that
// many changes at once are not compiled one by one. An answer has all events of
// a transaction or none.
func (e *Etcd) hear(change clientv3.WatchResponse, changes clientv3.WatchChan) error {
	before := e.known
	err := e.apply(change)
	for more := true; more && err == nil; {
		select {
		case change, more = <-changes:
			if more {
				err = e.apply(change)
			}
		default:
			more = false
		}
	}
	if e.known > before {
		e.follow(e.cluster, e.known)
	}
	if err == nil {
		e.confirm(0)
	}
	return err
}

// apply brings the documents to where an answer of the watch is. Where the epoch
// has changed, what is known may be of another history that has got further, so
// that everything is to be read.
func (e *Etcd) apply(change clientv3.WatchResponse) error {
	switch {
	case change.CompactRevision != 0:
		return errAnew // what lay between is gone
	case change.Err() != nil:
		return change.Err()
	case e.another(change.Header.GetClusterId(), change.Header.GetRevision()):
		return errAnew
	}
	if slices.ContainsFunc(change.Events, func(event *clientv3.Event) bool { return string(event.Kv.Key) == e.history.key }) {
		return errAnew
	}
	for _, event := range change.Events {
		if event.Type == clientv3.EventTypeDelete {
			e.Delete(string(event.Kv.Key))
		} else {
			e.Put(string(event.Kv.Key), string(event.Kv.Value))
		}
		e.known = event.Kv.ModRevision
	}
	return nil
}
