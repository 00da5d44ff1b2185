//go:build faults

package network

// Retarget has the link lead to another address, as a balancer does: connections
// that there are get cut.
func (l *Link) Retarget(address string) {
	l.t.Helper()
	l.Close()
	l.proxy.Upstream = address
	l.Open()
}
