package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Addresses that processes keep over restarts are below those that the system
// gives to others.
const firstPort, lastPort = 12_000, 30_000

var taken = struct {
	mu    sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freeAddress returns an address on which nobody listens.
func freeAddress(ctx context.Context) (string, error) {
	taken.mu.Lock()
	defer taken.mu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if taken.ports[port] {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			continue
		}
		taken.ports[port] = true
		return address, l.Close()
	}
	return "", fmt.Errorf("no port from %d to %d is free", firstPort, lastPort)
}
