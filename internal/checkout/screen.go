package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// How long an answer of a screening provider is used again for the same payment.
const (
	approvedFor = 24 * time.Hour
	rejectedFor = time.Hour
	unknownFor  = 10 * time.Second // so that a dead provider is not asked by every click
)

const (
	screenWithin = 10 * time.Second // for all wallets of a payment together
	screenAtOnce = 8                // wallets asked about at the same time

	// newWallets bounds the different payers that one payment has looked at in an
	// hour, for each may cost the operator money; maxWallets bounds them for good.
	newWallets = 50
	maxWallets = 1000
)

// Screenings returns what was said of a payment's wallets, oldest first.
func (s *Service) Screenings(ctx context.Context, p *payment.Payment) ([]Screening, error) {
	if !p.Terms.Access.Screen {
		return nil, nil
	}
	return s.store.Screenings(ctx, p.ID)
}

// screen looks at the payer and at all payees of a payment.
func (s *Service) screen(ctx context.Context, p *payment.Payment, wallet asset.Address) (Admission, error) {
	now := s.now().UTC()
	known, err := s.store.Screenings(ctx, p.ID)
	if err != nil {
		return Admission{}, fmt.Errorf("look up screenings: %w", err)
	}
	asked := []Screening{{Role: PayerRole, Wallet: wallet}}
	for _, r := range p.Terms.Requests {
		payee := Screening{Role: PayeeRole, Wallet: r.Payee}
		if !slices.Contains(asked, payee) {
			asked = append(asked, payee)
		}
	}
	var news []int
	for i, q := range asked {
		old, ok := s.reusable(known, q, now)
		if !ok {
			news = append(news, i)
			continue
		}
		asked[i] = old
	}
	if slices.Contains(news, 0) && tooMany(known, wallet, now) {
		return Admission{}, fault.New(fault.Limited, "too_many_wallets", "Too many different wallets were tried for this payment. Please try again later.")
	}
	if err := s.ask(ctx, p, asked, news, now); err != nil {
		return Admission{}, err
	}
	a := admission(asked)
	if err := s.keep(ctx, p, asked, news, now); err != nil {
		return Admission{}, err
	}
	if a.Reason == ReasonPayee { // which failed the payment, now or when somebody else asked
		fresh, err := s.Payment(context.WithoutCancel(ctx), p.ID)
		if err != nil {
			return a, err
		}
		*p = *fresh
	}
	if a.Reason == ReasonScreening {
		return a, s.rejected(ctx, p.ID, wallet, a.Reason)
	}
	return a, nil
}

// reusable finds an answer that need not be asked for again. A local list has
// the last word: what it names now is asked about anew, whatever was said.
func (s *Service) reusable(known []Screening, q Screening, now time.Time) (Screening, bool) {
	i := slices.IndexFunc(known, func(k Screening) bool { return k.Role == q.Role && k.Wallet == q.Wallet })
	if i < 0 {
		return q, false
	}
	old := known[i]
	if s.screener != nil && old.Verdict != Rejected {
		if _, listed := s.screener.Listed(q.Wallet); listed {
			return q, false
		}
	}
	keep := unknownFor
	switch old.Verdict {
	case Approved:
		keep = approvedFor
	case Rejected:
		keep = rejectedFor
	case Unknown:
	}
	return old, now.Sub(old.At) < keep
}

// tooMany reports whether a payment has had too many other payers looked at. Who
// was approved before is looked at again once a day at most, and is not kept out
// by what strangers do meanwhile.
func tooMany(known []Screening, wallet asset.Address, now time.Time) bool {
	all, lately := 0, 0
	for _, k := range known {
		switch {
		case k.Role != PayerRole:
			continue
		case k.Wallet == wallet && k.Verdict == Approved:
			return false
		case k.Wallet == wallet:
			continue
		}
		all++
		if now.Sub(k.At) < time.Hour {
			lately++
		}
	}
	return all >= maxWallets || lately >= newWallets
}

// ask fills in the answers that are not known yet.
func (s *Service) ask(ctx context.Context, p *payment.Payment, asked []Screening, news []int, now time.Time) error {
	token, ok := s.book.Token(p.Terms.Requests[0].Asset)
	if !ok {
		return errors.New("screen: the asset of the payment is not known any more")
	}
	within, cancel := context.WithTimeout(ctx, screenWithin)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(screenAtOnce)
	for _, i := range news {
		group.Go(func() error {
			role, wallet := asked[i].Role, asked[i].Wallet
			answer, err := s.answer(within, p.Terms.Access.Provider, token.Chain, wallet)
			answer.Role, answer.Wallet, answer.At = role, wallet, now
			asked[i] = answer
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err() // who left did not hear that nobody could tell
}

// answer asks the screener. One that is gone, with the provider a payment was
// made for, lets nobody in.
func (s *Service) answer(ctx context.Context, provider string, chain asset.ChainID, wallet asset.Address) (Screening, error) {
	if s.screener == nil || !s.screener.Known(provider) {
		return Screening{Verdict: Unknown, Reason: ReasonUnavailable, Provider: provider}, nil
	}
	x, err := s.screener.Screen(ctx, provider, chain, wallet)
	if err != nil {
		return x, fmt.Errorf("screen a wallet: %w", err)
	}
	switch x.Verdict {
	case Approved, Rejected, Unknown:
		return x, nil
	}
	return Screening{Verdict: Unknown, Reason: ReasonUnavailable, Provider: x.Provider}, nil
}

// admission sums up what was said: the payees first, for they decide for everyone.
func admission(asked []Screening) Admission {
	payer, payees := asked[0], asked[1:]
	a := Admission{Verdict: Approved, Provider: payer.Provider, Wallets: asked}
	is := func(v Verdict) func(Screening) bool { return func(x Screening) bool { return x.Verdict == v } }
	switch i := slices.IndexFunc(payees, is(Rejected)); {
	case i >= 0:
		a.Verdict, a.Reason, a.Provider = Rejected, ReasonPayee, payees[i].Provider
	case payer.Verdict == Rejected:
		a.Verdict, a.Reason = Rejected, ReasonScreening
	case slices.ContainsFunc(asked, is(Unknown)):
		a.Verdict, a.Reason = Unknown, ReasonUnavailable
	}
	return a
}

// keep stores new answers. A refused payee fails the payment, in the same
// transaction.
func (s *Service) keep(ctx context.Context, p *payment.Payment, asked []Screening, news []int, now time.Time) error {
	if len(news) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	var failed []payment.Attempt
	for _, i := range news {
		if x := asked[i]; x.Role == PayeeRole && x.Verdict == Rejected {
			failed = append(failed, payment.Attempt{
				Key: "screening:" + x.Wallet.Lower(), Kind: payment.KindScreening, Handle: x.Wallet.String(), Stage: payment.Abandoned,
				Decides: true, Reason: ComplianceFailed, At: now,
			})
		}
	}
	return s.store.Write(ctx, func(tx Tx) error {
		for _, i := range news {
			if err := tx.PutScreening(ctx, p.ID, asked[i]); err != nil {
				return fmt.Errorf("keep a screening: %w", err)
			}
		}
		if len(failed) == 0 {
			return nil
		}
		stored, err := tx.Payment(ctx, p.ID)
		if err != nil {
			return err
		}
		_, err = s.change(ctx, tx, stored, now, facts{attempts: failed})
		return err
	})
}
