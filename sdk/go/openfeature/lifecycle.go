package openfeature

import (
	"context"
	"errors"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
)

// initTimeout is how long Init waits.
const initTimeout = 30 * time.Second

// errClosed is why a provider can do nothing any more.
var errClosed = errors.New("the client is closed")

// Init is InitWithContext with a limit of 30 s.
func (p *Provider) Init(user openfeature.EvaluationContext) error {
	ctx, cancel := context.WithTimeout(context.Background(), initTimeout)
	defer cancel()
	return p.InitWithContext(ctx, user)
}

// InitWithContext waits for a configuration, from a server or from the disk. If
// ctx ends before, that is an error, and the provider is ready as soon as there is
// one all the same. A client that is closed is fatal.
func (p *Provider) InitWithContext(ctx context.Context, _ openfeature.EvaluationContext) error {
	p.events.start(p.client)
	err := p.client.Ready(ctx)
	state := p.client.Status().State
	switch {
	case state == stateClosed:
		p.events.fail(openfeature.ProviderFatalCode, errClosed)
		return &openfeature.ProviderInitError{ErrorCode: openfeature.ProviderFatalCode, Message: errClosed.Error()}
	case err != nil:
		p.events.fail(openfeature.ProviderNotReadyCode, err)
		return &openfeature.ProviderInitError{ErrorCode: openfeature.ProviderNotReadyCode, Message: err.Error()}
	}
	p.events.become(openfeature.ProviderReady)
	if state == stateStale {
		p.events.settle(p.client)
	}
	return nil
}

// Shutdown ends the events. It may be called again, and so may Init. The client
// goes on.
func (p *Provider) Shutdown() { p.events.end() }

// ShutdownWithContext is Shutdown, which waits for nobody.
func (p *Provider) ShutdownWithContext(context.Context) error {
	p.Shutdown()
	return nil
}

// EventChannel yields what becomes of the client between Init and Shutdown: READY
// once it has a configuration and whenever it hears its server again, STALE when
// it does not, ERROR when Init fails and, fatal, when it is closed, and
// CONFIGURATION_CHANGED with the keys of the flags. If nobody reads for long, the
// oldest are left out.
func (p *Provider) EventChannel() <-chan openfeature.Event { return p.events.channel }
