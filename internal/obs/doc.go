// Package obs holds what all parts of a process use to be observed: logs by
// log/slog and metrics by Prometheus. It has no global logger and no global
// registry; whoever needs one is given it.
package obs
