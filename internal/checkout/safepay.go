package checkout

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// missingNotASafe is the code of a chain on which the wallet is no Safe.
const missingNotASafe = "not_a_safe"

// ErrSafeNotThere refuses to take a Safe across chains that is not one of the same
// owners on the payment's, too.
var ErrSafeNotThere = fault.Field("wallet", rail.SafeNotThere,
	"A Safe with the same owners must be at this address on the payment's network too, because a bridge may give money back there.")

// TakesSafes reports whether Safes can pay at all.
func (s *Service) TakesSafes() bool { return s.safes != nil }

// fitsSafe refuses a payer who is a Safe where none can be one.
func (s *Service) fitsSafe(payer rail.Payer) error {
	switch {
	case !payer.Safe:
		return nil
	case s.safes == nil:
		return fault.Field("isSafe", "safe_unsupported", "Paying from a Safe is not supported here.")
	case payer.Wallet.IsZero():
		return fault.Field("wallet", "missing_wallet", "wallet is required: it is the address of the Safe.")
	}
	return nil
}

// home is the chain on which a payment is to be paid, 0 for one that may be paid on any,
// or on none.
func (s *Service) home(p *payment.Payment) asset.ChainID {
	first := p.Terms.Requests[0]
	if first.Quoted() {
		return first.Chain
	}
	token, _ := s.book.Token(first.Asset)
	return token.Chain
}

// accounts is what a wallet is on some chains, which are asked all at once.
type accounts map[asset.ChainID]*accountRead

type accountRead struct {
	done    chan struct{} // closed when the rest is there
	account *rail.Multisig
	err     error
}

// accounts asks chains what a wallet is. The caller waits for asking to end.
func (s *Service) accounts(ctx context.Context, asking *sync.WaitGroup, wallet asset.Address, within time.Duration, chains ...asset.ChainID) accounts {
	all := accounts{}
	for _, chain := range chains {
		if all[chain] != nil {
			continue
		}
		r := &accountRead{done: make(chan struct{})}
		all[chain] = r
		asking.Go(func() {
			defer close(r.done)
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			r.account, r.err = s.safes.Account(ctx, chain, wallet)
		})
	}
	return all
}

func (all accounts) on(chain asset.ChainID) (*rail.Multisig, error) {
	r := all[chain]
	<-r.done
	return r.account, r.err
}

// paying returns the Safe that signs on a chain for a payment on home. Across
// chains it must be one of the same owners there too, for a bridge gives money
// back to its address, and whoever has the address there has the money.
//
// Faults: those of Safes.Account; Invalid "safe_not_there".
func (all accounts) paying(chain, home asset.ChainID) (*rail.Multisig, error) {
	here, err := all.on(chain)
	if err != nil || chain == home {
		return here, err
	}
	there, err := all.on(home)
	switch {
	case err != nil && !fault.Is(err, fault.Invalid):
		return nil, err
	case err != nil || !here.SameOwners(there):
		return nil, ErrSafeNotThere.Because(err)
	}
	return here, nil
}

var errNoSafeWay = fault.Field("isSafe", "safe_unsupported", "This way to pay cannot be taken from a Safe.")

// prepare is Rail.Prepare for an option, and for a Safe what account makes the
// calls, asked for at the same time. What is no Safe is told before anything else.
func (s *Service) prepare(ctx context.Context, p *payment.Payment, o rail.Option, payer rail.Payer) (rail.Instruction, error) {
	if quotedOrBank(o) { // a quote ends before owners have signed, and nobody pays for its gas
		switch {
		case payer.Safe:
			return nil, errNoSafeWay
		case !payer.Owner.IsZero():
			return nil, errNoGasless
		}
		return s.railOf(o).Prepare(ctx, p, o.ID, payer)
	}
	if !payer.Safe {
		return s.prepareGasless(ctx, p, o, payer)
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	home := s.home(p)
	all := s.accounts(ctx, &asking, payer.Wallet, s.patience.Price, o.Chain, home)
	in, err := s.railOf(o).Prepare(ctx, p, o.ID, payer)
	account, aerr := all.paying(o.Chain, home)
	if err = cmp.Or(aerr, err); err != nil {
		return nil, err
	}
	calls, ok := in.(*rail.Calls)
	if !ok {
		return nil, errNoSafeWay
	}
	calls.Safe = account
	return calls, s.remember(ctx, p.ID, account)
}

// rememberAgain is how old the memory of a Safe may be before it is refreshed.
const rememberAgain = 10 * time.Minute

// remember keeps that a Safe has a payment's calls: the hash of its transaction
// does not say whose it is. Whoever asks all the time writes once in a while.
func (s *Service) remember(ctx context.Context, id payment.ID, account *rail.Multisig) error {
	known, err := s.store.SafesAsked(ctx, id, account.Chain)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	if slices.ContainsFunc(known, func(x SafeAsked) bool { return x.Safe == account.Address && now.Sub(x.At) < rememberAgain }) {
		return nil
	}
	return s.store.Write(ctx, func(tx Tx) error {
		if _, err := tx.Payment(ctx, id); err != nil { // whoever remembers at the same time waits
			return err
		}
		return tx.PutSafeAsked(ctx, SafeAsked{Payment: id, Chain: account.Chain, Safe: account.Address, Block: account.Block, At: now})
	})
}

// safeAccount is what asking for a Safe makes of the ways to pay: on which chains
// it could not sign, and why.
type safeAccount struct {
	all  accounts
	home asset.ChainID

	mu      sync.Mutex
	refused map[asset.ChainID]*fault.Error
	found   bool // it is a Safe on some chain
}

// safeAccount begins to ask, for a payer who is no Safe nobody.
func (s *Service) safeAccount(ctx context.Context, asking *sync.WaitGroup, p *payment.Payment, payer rail.Payer, chains []asset.ChainID) *safeAccount {
	a := &safeAccount{home: s.home(p), refused: map[asset.ChainID]*fault.Error{}}
	if payer.Safe && len(chains) > 0 {
		a.all = s.accounts(ctx, asking, payer.Wallet, s.patience.Chain, append(chains, a.home)...)
	}
	return a
}

// signs reports whether the wallet can pay from a chain, which one that is no Safe
// always can. An error is one of a chain that did not answer.
func (a *safeAccount) signs(chain asset.ChainID) (bool, error) {
	if a.all == nil {
		return true, nil
	}
	_, err := a.all.paying(chain, a.home)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch f := fault.From(err); {
	case f == nil:
		a.found = true
		return true, nil
	case f.Kind != fault.Invalid:
		return false, err
	default:
		a.found = a.found || f.Code == rail.SafeNotThere
		a.refused[chain] = f
		return false, nil
	}
}

// missing lists the chains that were left out.
func (a *safeAccount) missing() (out []rail.Missing) {
	for _, chain := range slices.Sorted(maps.Keys(a.refused)) {
		f, code := a.refused[chain], missingNotASafe
		if f.Code == rail.SafeNotThere {
			code = f.Code
		}
		out = append(out, rail.Missing{Chain: chain, Code: code, Why: f.Public})
	}
	return out
}

// nowhere is the fault of a wallet that is a Safe on no chain, nil if it is on
// one or if a chain did not say.
func (a *safeAccount) nowhere(silent int) error {
	if a.found || silent > 0 || len(a.refused) == 0 {
		return nil
	}
	if f, ok := a.refused[a.home]; ok {
		return f
	}
	return a.refused[slices.Sorted(maps.Keys(a.refused))[0]]
}
