package checkout

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Wallets reads what wallets hold.
type Wallets interface {
	// Holdings asks a chain once, in one round trip, for a wallet's native currency
	// and, in the questions' order, for its balances and allowances. Any error says that
	// the chain is silent: its ways are left out.
	Holdings(ctx context.Context, wallet asset.Address, chain asset.ChainID, questions []HoldingQuestion) (Holdings, error)
}

// HoldingQuestion is a token and the contract that would pull it.
type HoldingQuestion struct {
	Token   asset.Token
	Spender asset.Address // zero if no allowance is asked for
}

// Holdings is what a wallet has on one chain, in base units.
type Holdings struct {
	Native *big.Int // wei
	Tokens []TokenHolding
}

// TokenHolding is what a wallet has of one token; nil where the token does not
// say.
type TokenHolding struct{ Balance, Allowance *big.Int }

// Options is what a payer can choose among.
type Options struct {
	Ways    []Way
	Silent  []asset.ChainID // chains that did not answer in time: what is there is not known
	Missing []rail.Missing  // ways that are not offered now
}

// Way is one option and what the payer has for it.
type Way struct {
	rail.Option
	Token     asset.Token
	Balance   *big.Int // base units, nil if not known
	Allowance *big.Int // of the option's spender, nil if not known or none is needed
	Native    *big.Int // wei on the option's chain, nil if not known
	Gasless   bool     // somebody would pay for the gas of a user operation
}

// Needed is what the way takes of its first asset, in base units.
func (w Way) Needed() *big.Int { return w.Costs[0].Amount }

// Enough reports whether the payer holds what the way takes, gas left aside.
func (w Way) Enough() bool { return w.Balance != nil && w.Balance.Cmp(w.Needed()) >= 0 }

// Patience is how long a payer waits for the ways to pay, counted from when the
// chains are asked. Zero values are the defaults.
type Patience struct {
	// Chain is for a chain to say what a wallet holds, 4 s if zero. One that takes
	// longer is left out.
	Chain time.Duration
	// Price is for the prices of ways, 8 s if zero: whatever happens, nothing takes
	// longer. A way without a price keeps the most it can cost.
	Price time.Duration
}

func (p Patience) orDefault() Patience {
	return Patience{Chain: cmp.Or(p.Chain, 4*time.Second), Price: cmp.Or(p.Price, 8*time.Second)}
}

// Options returns the ways to pay with what the wallet holds for each, the
// cheapest first and those it holds too little for last. Every chain is asked
// once, all at the same time, and prices are asked for only where the wallet may
// hold enough. Chains that are late are left out, so that it takes no longer
// than Config.Patience.
//
// Of a Safe, chains on which it could not sign are left out, and of a smart account those
// on which it is not its owner's, or nobody pays for gas; Missing says so.
//
// Faults: Forbidden if the payment is over or the wallet is not let in; Conflict
// if it is paid or enough is on its way; Invalid without a wallet, and for a Safe
// that is one on no chain the fault of Safes.Account. If ctx has
// ended, its error.
func (s *Service) Options(ctx context.Context, id payment.ID, payer rail.Payer) (*payment.Payment, Options, error) {
	p, err := s.Payment(ctx, id)
	if err != nil {
		return nil, Options{}, err
	}
	if payer.Wallet.IsZero() {
		return p, Options{}, fault.Field("wallet", "missing_wallet", "wallet is required.")
	}
	if err := s.fits(payer); err != nil {
		return p, Options{}, err
	}
	if err := s.Payable(p); err != nil {
		return p, Options{}, err
	}
	if err := s.letIn(ctx, p, payer.Person()); err != nil {
		return p, Options{}, err
	}
	offered, err := s.Offers(ctx, p, payer)
	if err != nil {
		return p, Options{}, err
	}
	offered = slices.DeleteFunc(offered, quotedOrBank) // what they cost is not the wallet's to ask
	offered, elsewhere := s.ownAccounts(payer, offered)
	out, err := s.funded(ctx, p, payer, s.single(offered))
	if cerr := ctx.Err(); cerr != nil {
		return p, Options{}, cerr // of a caller who left: what was not asked then is not silent
	}
	if err != nil {
		return p, Options{}, err
	}
	if out.Ways, err = s.still(ctx, p, payer, out.Ways); err != nil {
		return p, Options{}, err
	}
	if err := s.markGasless(ctx, p, payer, out.Ways); err != nil {
		return p, Options{}, err
	}
	left := append(out.Missing, elsewhere...)
	out.Missing = s.MissingFor(ctx, p, payer)
	for _, m := range left { // a rail may have found out the same
		if !slices.ContainsFunc(out.Missing, func(x rail.Missing) bool { return x.Chain == m.Chain && x.Code == m.Code }) {
			out.Missing = append(out.Missing, m)
		}
	}
	return p, out, nil
}

// quotedOrBank reports whether a way has quotes, or no chain: a page shows these by
// themselves, to whoever has connected a wallet and to others.
func quotedOrBank(o rail.Option) bool { return o.Asset != "" || o.Chain == 0 }

// still leaves out ways without a price whose rail has given them up meanwhile:
// nobody could pay over them, and Missing says why.
func (s *Service) still(ctx context.Context, p *payment.Payment, payer rail.Payer, ways []Way) ([]Way, error) {
	if !slices.ContainsFunc(ways, func(w Way) bool { return w.Estimated }) {
		return ways, nil
	}
	offered, err := s.Offers(ctx, p, payer)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ways, func(w Way) bool {
		return w.Estimated && !slices.ContainsFunc(offered, func(o rail.Option) bool { return o.ID == w.ID })
	}), nil
}

// Missing says which ways a payer could expect are not offered, and why. It asks
// nobody. Of a payment that is due in a fiat currency nothing is expected but what its page
// offers.
func (s *Service) Missing(ctx context.Context, p *payment.Payment) (missing []rail.Missing) {
	if p.Terms.Fiat() {
		return nil
	}
	for _, r := range s.rails {
		if e, ok := r.(rail.Explainer); ok {
			missing = append(missing, e.Missing(ctx, p)...)
		}
	}
	return missing
}

// MissingFor is Missing, and what rails leave out for one payer as far as they have
// found it out.
func (s *Service) MissingFor(ctx context.Context, p *payment.Payment, payer rail.Payer) []rail.Missing {
	if p.Terms.Fiat() {
		return nil
	}
	missing := s.Missing(ctx, p)
	for _, r := range s.rails {
		if e, ok := r.(rail.PayerExplainer); ok {
			missing = append(missing, e.MissingFor(ctx, p, payer)...)
		}
	}
	return missing
}

// single is the ways that take one asset: what a batch takes is no choice.
func (s *Service) single(offered []rail.Option) (ways []Way) {
	for _, o := range offered {
		if len(o.Costs) != 1 {
			continue
		}
		if token, ok := s.book.Token(o.Costs[0].Asset); ok {
			ways = append(ways, Way{Option: o, Token: token})
		}
	}
	return ways
}

// funded asks every chain what the wallet holds, and for prices as soon as its
// chain has answered. Of a Safe it is asked at the same time whether it is one.
func (s *Service) funded(ctx context.Context, p *payment.Payment, payer rail.Payer, ways []Way) (Options, error) {
	byChain := map[asset.ChainID][]int{}
	for i, w := range ways {
		byChain[w.Chain] = append(byChain[w.Chain], i)
	}
	var (
		mu     sync.Mutex
		silent []asset.ChainID
		gone   = make([]bool, len(ways))
		asking sync.WaitGroup
	)
	prices, cancel := context.WithTimeout(ctx, s.patience.Price)
	defer cancel()
	account := s.safeAccount(ctx, &asking, p, payer, slices.Collect(maps.Keys(byChain)))
	for chain, at := range byChain {
		asking.Go(func() {
			there, err := s.askChain(ctx, payer.Person(), chain, ways, at, account)
			if err != nil {
				if ctx.Err() == nil {
					s.log.WarnContext(ctx, "a chain did not say what a wallet holds", "payment", p.ID, "chain", chain, "err", err)
				}
				mu.Lock()
				defer mu.Unlock()
				silent = append(silent, chain)
				return
			}
			var pricing sync.WaitGroup
			for _, i := range at {
				gone[i] = !there
				if there {
					pricing.Go(func() { gone[i] = !s.price(prices, p, payer, &ways[i]) })
				}
			}
			pricing.Wait()
		})
	}
	asking.Wait()
	slices.Sort(silent)
	out := Options{Silent: silent, Missing: account.missing()}
	for i, w := range ways {
		if !gone[i] && !slices.Contains(silent, w.Chain) {
			out.Ways = append(out.Ways, w)
		}
	}
	slices.SortStableFunc(out.Ways, cheaper)
	return out, account.nowhere(len(silent))
}

// askChain asks a chain for what the wallet holds. there is false for a Safe that
// cannot sign on it.
func (s *Service) askChain(ctx context.Context, wallet asset.Address, chain asset.ChainID, ways []Way, at []int, account *safeAccount) (there bool, err error) {
	herr := s.hold(ctx, wallet, chain, ways, at)
	there, err = account.signs(chain)
	if err != nil || !there {
		return there, err
	}
	return true, herr
}

// hold fills in what the wallet holds on one chain for the ways that start there.
func (s *Service) hold(ctx context.Context, wallet asset.Address, chain asset.ChainID, ways []Way, at []int) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience.Chain)
	defer cancel()
	var questions []HoldingQuestion
	for _, i := range at {
		if !ways[i].Token.Native {
			questions = append(questions, HoldingQuestion{ways[i].Token, ways[i].Spender})
		}
	}
	held, err := s.wallets.Holdings(ctx, wallet, chain, questions)
	if err != nil {
		return err
	}
	if len(held.Tokens) != len(questions) || held.Native == nil {
		return errors.New("not everything that was asked for was answered")
	}
	for _, i := range at {
		w := &ways[i]
		w.Native = held.Native
		if w.Token.Native {
			w.Balance = held.Native
			continue
		}
		w.Balance, w.Allowance = held.Tokens[0].Balance, held.Tokens[0].Allowance
		held.Tokens = held.Tokens[1:]
	}
	return nil
}

// price fills in what a way costs if only a service can tell, and if the wallet
// may hold enough. It reports whether the way is there at all.
func (s *Service) price(ctx context.Context, p *payment.Payment, payer rail.Payer, w *Way) bool {
	if !w.Estimated || w.Balance == nil || w.Balance.Cmp(cmp.Or(w.Least, w.Needed())) < 0 {
		return true
	}
	pricer, ok := s.railOf(w.Option).(rail.Pricer)
	if !ok {
		return true
	}
	o, err := pricer.Price(ctx, p, w.ID, payer)
	switch {
	case err == nil:
		w.Option = o
		return true
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Forbidden), fault.Is(err, fault.Invalid):
		s.log.InfoContext(ctx, "a way to pay is not offered", "payment", p.ID, "option", w.ID, "err", err)
		return false
	default:
		if !errors.Is(err, context.Canceled) {
			s.log.WarnContext(ctx, "a way to pay has no price", "payment", p.ID, "option", w.ID, "err", err)
		}
		return true
	}
}

func (s *Service) railOf(o rail.Option) rail.Rail {
	return s.rails[slices.IndexFunc(s.rails, func(r rail.Rail) bool { return r.ID() == o.Rail })]
}

// cheaper orders ways: those the payer can afford first, then by what they take.
// Assets that can stand in for each other are all worth the same.
func cheaper(a, b Way) int {
	if a.Enough() != b.Enough() {
		if a.Enough() {
			return -1
		}
		return 1
	}
	return inWhole(a).Cmp(inWhole(b))
}

// inWhole is what a way takes, in units that all assets share.
func inWhole(w Way) *big.Int {
	const finest = 36 // no asset has more decimals
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(finest-w.Token.Decimals)), nil)
	return scale.Mul(scale, w.Needed())
}
