package checkout

import (
	"cmp"
	"context"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// fits refuses a payer who is of a kind that cannot pay here.
func (s *Service) fits(payer rail.Payer) error {
	switch {
	case payer.Owner.IsZero():
		return s.fitsSafe(payer)
	case payer.Safe:
		return fault.Field("eoaWallet", "safe_with_eoa_wallet", "A Safe pays by itself.")
	case s.gasless == nil:
		return errNoGasless
	case payer.Wallet.IsZero():
		return fault.Field("wallet", "missing_wallet", "wallet is required: it is the address of the smart account.")
	}
	return nil
}

var errNoGasless = fault.Field("eoaWallet", "gasless_unsupported", "Paying without gas is not supported on this network.")

// fitsAccount refuses a payer whose wallet is not the owner's smart account on a chain.
func (s *Service) fitsAccount(chain asset.ChainID, payer rail.Payer) error {
	switch account, ok := s.gasless.Account(chain, payer.Owner); {
	case !ok:
		return errNoGasless
	case account != payer.Wallet:
		return fault.Field("wallet", "not_the_account", "wallet is not the smart account of eoaWallet on this network.")
	}
	return nil
}

// ownAccounts keeps the ways from chains on which a payer can pay: for a wallet all of
// them, for its smart account those where it is that, and says why not of the others.
func (s *Service) ownAccounts(payer rail.Payer, offered []rail.Option) (own []rail.Option, missing []rail.Missing) {
	if payer.Owner.IsZero() {
		return offered, nil
	}
	for _, o := range offered {
		f := fault.From(s.fitsAccount(o.Chain, payer))
		if f == nil {
			own = append(own, o)
			continue
		}
		m := rail.Missing{Chain: o.Chain, Code: f.Code, Why: f.Public}
		if !slices.Contains(missing, m) {
			missing = append(missing, m)
		}
	}
	return own, missing
}

// prepareGasless is Rail.Prepare for a wallet, or for its smart account. The rails know
// no operations: whether there may be one is told beside the calls, and what an
// operation could still take is taken back first.
func (s *Service) prepareGasless(ctx context.Context, p *payment.Payment, o rail.Option, payer rail.Payer) (rail.Instruction, error) {
	if !payer.Owner.IsZero() {
		if err := s.fitsAccount(o.Chain, payer); err != nil {
			return nil, err
		}
	}
	in, err := s.railOf(o).Prepare(ctx, p, o.ID, payer)
	calls, ok := in.(*rail.Calls)
	if err != nil || !ok || s.gasless == nil {
		return in, err
	}
	told := *calls // the rail may hand out the same again
	told.Gasless = s.offersGas(p, o) && oneToken(calls)
	return &told, s.takeBack(ctx, p, payer, &told)
}

// oneToken reports whether calls take one token and no native currency: only that can
// be pulled, and nothing may stay on the account.
func oneToken(c *rail.Calls) bool {
	return len(c.Funds.Assets) == 1 && !slices.ContainsFunc(c.Steps, func(step rail.Call) bool { return step.Value != nil && step.Value.Sign() != 0 })
}

// offersGas reports whether an operation's gas would be paid for, as far as is known
// without asking anybody.
func (s *Service) offersGas(p *payment.Payment, o rail.Option) bool {
	if s.gasless == nil || !s.pullable(o) || p.OpsLeft() == 0 {
		return false
	}
	_, ok := s.gasless.Offer(o.Chain)
	return ok
}

// pullable reports whether an option takes one token, which an account can take of its
// owner first. What is paid at a quote goes without an account.
func (s *Service) pullable(o rail.Option) bool {
	if o.Asset != "" || len(o.Costs) != 1 {
		return false
	}
	token, ok := s.book.Token(o.Costs[0].Asset)
	return ok && !token.Native
}

// markGasless marks the ways for which a wallet's smart account could pay.
func (s *Service) markGasless(ctx context.Context, p *payment.Payment, payer rail.Payer, ways []Way) error {
	if s.gasless == nil || payer.Safe || !payer.Owner.IsZero() {
		return nil
	}
	fit, err := s.Offers(ctx, p, rail.Payer{Wallet: payer.Wallet, Owner: payer.Wallet})
	if err != nil {
		return err
	}
	for i, w := range ways {
		ways[i].Gasless = s.offersGas(p, w.Option) && slices.ContainsFunc(fit, func(o rail.Option) bool { return o.ID == w.ID })
	}
	return nil
}

// errOpElsewhere refuses a way to pay from one network while the wallet's money could
// still be taken on another.
var errOpElsewhere = fault.New(fault.Conflict, CodeOpPending,
	"A payment without gas that was begun on another network could still go through. Please pay from that network: what it may take is taken back first.")

// revokeGas is what setting an allowance to zero takes, an estimate as high as tokens
// behind proxies need.
const revokeGas = 60_000

// takeBack puts before a wallet's calls those that take from its smart accounts what
// they may take, where an operation that holds the payment no longer could do so.
// Without, its owner would pay twice. What cannot be read is taken back. An account that
// pays need not: of its operations on one chain only one can have the nonce that is due.
//
// Faults: those of Payable if the chain shows that an operation was executed after all;
// Conflict "op_pending" where it has to be taken back on another chain, or by the owner.
func (s *Service) takeBack(ctx context.Context, p *payment.Payment, payer rail.Payer, c *rail.Calls) error {
	wallet, pulls := payer.Person(), !payer.Owner.IsZero()
	var back []rail.Call
	for _, a := range p.Undone(wallet, s.now()) {
		if pulls && a.Chain == c.Chain && a.Payer == payer.Wallet.String() {
			continue
		}
		token, ok := s.book.Token(a.Op.Token)
		account, err := asset.ParseAddress(a.Payer)
		if !ok || err != nil {
			return fault.New(fault.Unavailable, "gasless_unavailable", "What was paid without gas before cannot be looked up.").Because(err)
		}
		// In this order: an account that can take nothing any more may have taken it.
		powerless := s.powerless(ctx, p, a, wallet, token)
		fresh, known, looked, err := s.watchOp(ctx, p, a, s.patience.Price)
		if err != nil {
			return err
		}
		if known.Stage != payment.Announced || known.Op.Fate != "" {
			if err := s.Payable(fresh.AsOf(s.now())); err != nil {
				return err
			}
			continue
		}
		if powerless && looked {
			continue
		}
		if pulls || a.Chain != c.Chain {
			return errOpElsewhere
		}
		call := s.gasless.Revoke(token.Address, account)
		call.Kind, call.Asset, call.Gas = rail.Revoke, token.ID, revokeGas
		if !slices.ContainsFunc(back, func(b rail.Call) bool { return b.To == call.To && slices.Equal(b.Data, call.Data) }) {
			back = append(back, call)
		}
	}
	if len(back) == 0 {
		return nil
	}
	c.Steps = append(back, c.Steps...)
	if c.Funds.NativeNeeded != nil && c.Funds.GasPrice != nil {
		gas := rail.HoldForGas(big.NewInt(int64(revokeGas*len(back))), c.Funds.GasPrice)
		c.Funds.NativeNeeded = gas.Add(gas, c.Funds.NativeNeeded)
	}
	return nil
}

// powerless reports whether the account of an operation can no longer take what it
// needs of its owner.
func (s *Service) powerless(ctx context.Context, p *payment.Payment, a payment.Attempt, owner asset.Address, token asset.Token) bool {
	ctx, cancel := context.WithTimeout(ctx, s.patience.Price)
	defer cancel()
	state, err := s.gasless.Read(ctx, a.Chain, owner, token.Address)
	if err != nil {
		s.log.WarnContext(ctx, "a smart account could not be read", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", err)
		return false
	}
	return state.Account.String() == a.Payer && state.Allowance != nil && state.Allowance.Cmp(cmp.Or(a.Op.Amount, new(big.Int))) < 0
}
