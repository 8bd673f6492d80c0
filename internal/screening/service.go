package screening

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/singleflight"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
)

// ListName is the provider's name of the sanctions list.
const ListName = "sanctions_list"

// The reasons of refusals and failures; providers may name their own.
const (
	ReasonListed   = "sanctioned"
	ReasonRejected = "rejected"
	ReasonFailed   = "provider_failed"
)

// Provider is somebody who can be asked about a wallet.
type Provider interface {
	Name() string
	// Screen never fails: what could not be learnt has the verdict Unknown. It
	// answers within a few seconds.
	Screen(ctx context.Context, chain asset.ChainID, wallet asset.Address) checkout.Screening
	// Close lets connections go that are not in use.
	Close()
}

// Service asks the sanctions list first and then a provider. It is safe for
// concurrent use.
type Service struct {
	list      *List // nil if there is none
	providers map[string]Provider
	fallback  string // who is asked where nobody is named
	asking    singleflight.Group
}

var _ checkout.Screener = (*Service)(nil)

// New returns a Service of a list, which may be nil, and providers. fallback
// names the one that is asked where a payment names none; it may be "" if there
// is nothing to choose from.
func New(list *List, providers []Provider, fallback string) (*Service, error) {
	s := &Service{list: list, providers: map[string]Provider{}, fallback: fallback}
	for _, p := range providers {
		if p.Name() == "" || p.Name() == ListName || s.providers[p.Name()] != nil {
			return nil, fmt.Errorf("screening provider %q: the name is taken", p.Name())
		}
		s.providers[p.Name()] = p
	}
	switch {
	case fallback != "":
	case len(providers) == 1:
		s.fallback = providers[0].Name()
	case len(providers) == 0:
		s.fallback = ListName
	default:
		return nil, errors.New("several screening providers: one must be the default")
	}
	if !s.Known(s.fallback) {
		return nil, fmt.Errorf("screening: there is no provider %q", s.fallback)
	}
	return s, nil
}

// Known implements checkout.Screener.
func (s *Service) Known(provider string) bool {
	if provider == "" {
		provider = s.fallback
	}
	return s.providers[provider] != nil || (provider == ListName && s.list != nil)
}

// Listed implements checkout.Screener.
func (s *Service) Listed(wallet asset.Address) (checkout.Screening, bool) {
	if s.list == nil || !s.list.Contains(wallet) {
		return checkout.Screening{}, false
	}
	return checkout.Screening{
		Wallet: wallet, Verdict: checkout.Rejected, Reason: ReasonListed, Provider: ListName, Raw: "listed",
		Reference: s.list.Modified().Format("2006-01-02T15:04:05Z"),
	}, true
}

// Screen implements checkout.Screener. Whom the list names nobody else is asked
// about, and who asks about the same wallet at the same time hears one answer.
func (s *Service) Screen(ctx context.Context, provider string, chain asset.ChainID, wallet asset.Address) (checkout.Screening, error) {
	if provider == "" {
		provider = s.fallback
	}
	if !s.Known(provider) {
		return checkout.Screening{}, fault.New(fault.Invalid, "unknown_provider", "There is no screening provider of this name.")
	}
	if x, listed := s.Listed(wallet); listed {
		return x, nil
	}
	if provider == ListName {
		return checkout.Screening{
			Wallet: wallet, Verdict: checkout.Approved, Provider: ListName, Raw: "not listed",
			Reference: s.list.Modified().Format("2006-01-02T15:04:05Z"),
		}, nil
	}
	// Without the first caller's cancellation, which is not everybody's; a provider
	// has its own limits.
	answer, _, _ := s.asking.Do(fmt.Sprintf("%s/%d/%s", provider, chain, wallet.Lower()), func() (any, error) {
		return s.providers[provider].Screen(context.WithoutCancel(ctx), chain, wallet), nil
	})
	x, _ := answer.(checkout.Screening)
	x.Wallet, x.Provider = wallet, provider
	return x, nil
}

// Providers are the names of the providers, in order, without the list.
func (s *Service) Providers() []string {
	var names []string
	for name := range s.providers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Close lets go of what the providers hold.
func (s *Service) Close() {
	for _, p := range s.providers {
		p.Close()
	}
}

// List is the sanctions list, nil if there is none.
func (s *Service) List() *List { return s.list }
