package service

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Address is where a part listens, and the flag that says so.
type Address struct{ Flag, Value string }

// Validate returns what is wrong with the address, in the words of its flag.
func (a Address) Validate() error {
	if _, _, err := net.SplitHostPort(a.Value); err != nil {
		return fmt.Errorf("--%s %q: want host:port or :port", a.Flag, a.Value)
	}
	return nil
}

// Listen listens on all addresses, over TCP, or on none.
func Listen(ctx context.Context, addresses ...Address) ([]net.Listener, error) {
	var config net.ListenConfig
	listeners := make([]net.Listener, 0, len(addresses))
	for _, address := range addresses {
		listener, err := config.Listen(ctx, "tcp", address.Value)
		if err != nil {
			errs := []error{fmt.Errorf("--%s: %w", address.Flag, err)}
			for _, open := range listeners {
				errs = append(errs, open.Close())
			}
			return nil, errors.Join(errs...)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}
