package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/screening"
)

// ScreeningSetup says who is asked about wallets. The zero value asks nobody.
type ScreeningSetup struct {
	List      string // path of the sanctions list, "" for none
	Providers []screening.VendorConfig
	Default   string
}

// build makes the service, nil if there is nobody to ask.
func (s ScreeningSetup) build(log *slog.Logger) (*screening.Service, error) {
	if s.List == "" && len(s.Providers) == 0 {
		return nil, nil
	}
	var list *screening.List
	if s.List != "" {
		var err error
		if list, err = screening.OpenList(s.List, log); err != nil {
			return nil, err
		}
	}
	var providers []screening.Provider
	for _, c := range s.Providers {
		c.Log = log
		providers = append(providers, screening.NewVendor(c))
	}
	return screening.New(list, providers, s.Default)
}

// screener is the checkout's port to the service: truly nil where there is none.
func (a *App) screener() checkout.Screener {
	if a.screening == nil {
		return nil
	}
	return a.screening
}

// realScreening turns the configuration into a setup.
func realScreening(c config.Screening) ScreeningSetup {
	s := ScreeningSetup{List: c.SanctionsList, Default: c.Default}
	for _, name := range c.ProviderNames() {
		p := c.Providers[name]
		s.Providers = append(s.Providers, screening.VendorConfig{Name: name, URL: string(p.URL), Key: string(p.Key), Timeout: time.Duration(p.Timeout)})
	}
	return s
}

// staleList is how old a sanctions list may be before the doctor says so: the
// public ones change every few weeks.
const staleList = 45 * 24 * time.Hour

// unspent is an account nobody has the key of: a question about it tells nobody
// anything.
var unspent = asset.Address{18: 0xde, 19: 0xad}

// screening checks that wallets can be screened.
func (d *doctor) screening(ctx context.Context, s Setup) {
	service, err := s.Screening.build(s.Log)
	if err != nil {
		d.check("screening", err, "")
		return
	}
	if service == nil {
		return
	}
	defer service.Close()
	if l := service.List(); l != nil {
		age := time.Since(l.Modified())
		var stale error
		if age > staleList {
			stale = fmt.Errorf("it has not been changed for %d days: fetch a new one", int(age.Hours()/24))
		}
		d.check("sanctions list", stale, fmt.Sprintf("%d addresses, changed %d days ago", l.Count(), int(age.Hours()/24)))
	}
	for _, name := range service.Providers() {
		chain := asset.Mainnet
		if len(s.Chains) > 0 {
			chain = s.Chains[0].ID
		}
		x, err := service.Screen(ctx, name, chain, unspent)
		if err == nil && x.Verdict == checkout.Unknown {
			err = errors.New("it does not answer, or not by the protocol")
		}
		d.check("screening by "+name, err, "it answers")
	}
}
