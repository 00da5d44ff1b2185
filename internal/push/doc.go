// Package push is the server side of the config stream: it hands a configuration,
// and each new revision of it, to those who may follow it. The control plane
// serves it on what the database has, and a data plane, as a relay, on what it
// was sent; both make the same bytes of the same configuration.
//
// A Hub holds the newest configuration of one environment, and for each scope
// that somebody follows what of it belongs there. A Server answers the calls of
// followers from hubs. Data flows one way: Publish replaces what a hub has and
// wakes all streams, and each stream sends what leads from what it sent last to
// what is there now. There is no queue: who reads slowly is sent less often.
package push
