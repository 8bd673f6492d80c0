package checkout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// CodeSafePending is the code of the Conflict of a payment that a Safe's owners may
// make at any time.
const CodeSafePending = "safe_pending"

var errSafePending = fault.New(fault.Conflict, CodeSafePending, "A transaction of a Safe that makes this payment is waiting to be executed.")

const (
	// lookBack is how many blocks before it was announced a transaction is searched
	// for that may have been executed at once, where nobody knows since when it can be.
	lookBack = 1000
	// maxSafeTx bounds the text of a Safe transaction, in bytes. A batch over a bridge
	// has about ten thousand.
	maxSafeTx = 64 << 10
	// maxShown is how many Safe transactions that only the page showed are taken beyond
	// what a payment takes of anybody: to put one together costs nothing.
	maxShown = 5
	// maxSigned bounds how many signatures are looked at.
	maxSigned = 100
)

// CheckSafe checks somebody's word that a Safe transaction was proposed which makes
// a payment, and returns the attempt for AnnounceSafe. It asks the chain and a
// Transaction Service for what there is to know, and writes nothing of it. A
// transaction behind the hash, wherever it is from, must be one that pays this and
// does nothing else; a hash alone is taken as it is. The hash of an attempt that has
// ended gives that attempt.
//
// Faults: those of Payable and of Admission.Refusal; Conflict "safe_pending" while
// another transaction may still be executed; Invalid on "safeTxHash", "chain",
// "safePaymentDeadline", on "payerAddress" if it is no Safe ("safe_unknown" if nobody
// can tell whose the hash is), on "safeTx" with a refused check's code or
// "safe_tx_foreign" (on "safeTxHash" if the Transaction Service has it); Unavailable.
func (s *Service) CheckSafe(ctx context.Context, p *payment.Payment, in SafeIntent) (payment.Attempt, error) {
	now := s.now().UTC()
	in.Hash = strings.ToLower(in.Hash)
	if err := s.sensible(in, now); err != nil {
		return payment.Attempt{}, err
	}
	p, err := s.Payment(ctx, p.ID)
	if err != nil {
		return payment.Attempt{}, err
	}
	if p.Terms.Fiat() {
		return payment.Attempt{}, errNoSafePays
	}
	key, known, err := keyOf(p, in)
	if err != nil {
		return payment.Attempt{}, err
	}
	if known != nil && known.Stage != payment.Announced {
		return *known, nil
	}
	if known == nil {
		if err := s.free(ctx, p); err != nil {
			return payment.Attempt{}, err
		}
	}
	k, err := s.whose(ctx, p, in)
	if err != nil {
		return payment.Attempt{}, err
	}
	return k.attempt(p, in, key, now), nil
}

var errNoSafePays = fault.Field("safeTxHash", "safe_unsupported", "Paying from a Safe is not supported here.")

// sensible refuses an intent by what it says itself.
func (s *Service) sensible(in SafeIntent, now time.Time) error {
	_, listed := s.book.Chain(in.Chain)
	switch {
	case s.safes == nil:
		return errNoSafePays
	case !isHash(in.Hash):
		return fault.Field("safeTxHash", "invalid_safe_tx_hash", "safeTxHash must be 0x and 64 hexadecimal digits.")
	case !listed:
		return fault.Field("chain", "unknown_chain", "This chain is not supported here.")
	case !in.Deadline.IsZero() && !in.Deadline.After(now):
		return fault.Field("safePaymentDeadline", "invalid_deadline", "safePaymentDeadline must be in the future.")
	case len(in.Tx) > maxSafeTx:
		return fault.Field("safeTx", "safe_tx_invalid", "safeTx is too long.")
	}
	return nil
}

// free tells why no Safe transaction can be announced now. Of one that is pending it
// is asked first whether it can still be executed.
func (s *Service) free(ctx context.Context, p *payment.Payment) error {
	err := s.Payable(p)
	pending, locked := p.SafeLock(s.now())
	if fault.From(err) != errSafePending || !locked {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, s.patience.Price)
	defer cancel()
	if _, terr := s.TrackSafe(looking, Follow{Payment: p.ID, Key: pending.Key}.Args()); terr != nil {
		if looking.Err() != nil {
			return cmp.Or(ctx.Err(), err)
		}
		return terr
	}
	fresh, err := s.Payment(ctx, p.ID)
	if err != nil {
		return err
	}
	return s.Payable(fresh)
}

func safeKey(chain asset.ChainID, hash string) string { return fmt.Sprintf("safe:%d:%s", chain, hash) }

var errNoSafeTx = fault.Field("safeTxHash", "not_a_safe_tx", "This is the hash of a transaction on the chain, and of none of a Safe.")

// noSafes reports whether a hash was taken for a Safe's once, and is none.
func noSafes(p *payment.Payment, key string) bool {
	return slices.ContainsFunc(p.Attempts, func(a payment.Attempt) bool { return a.Key == key && a.Safe == nil })
}

// keyOf returns the key of a hash's attempt, and the attempt if there is one. What a
// stranger said of a hash, without showing what is behind it, and which has come to
// an end, is none to who knows more: the Safe that ended it may have been another.
func keyOf(p *payment.Payment, in SafeIntent) (key string, known *payment.Attempt, err error) {
	base := safeKey(in.Chain, in.Hash)
	if noSafes(p, base) {
		return "", nil, errNoSafeTx
	}
	key = base
	for n := 2; ; n++ {
		if known = safeAttempt(p, key); known == nil || known.Stage == payment.Announced || known.Decides || known.Safe.Tx != nil {
			return key, known, nil
		}
		if next := fmt.Sprintf("%s:%d", base, n); in.Vouched || in.Tx != nil || safeAttempt(p, next) != nil {
			key = next
			continue
		}
		return key, known, nil
	}
}

func safeAttempt(p *payment.Payment, key string) *payment.Attempt {
	for i := range p.Attempts {
		if p.Attempts[i].Key == key && p.Attempts[i].Safe != nil {
			return &p.Attempts[i]
		}
	}
	return nil
}

// knownSafe is what is known of an announced Safe transaction.
type knownSafe struct {
	among    []asset.Address // the accounts it may be of, at least one
	account  *rail.Multisig  // the only one's, nil if there are several or it could not be read
	from     uint64          // the first block that may hold its outcome
	tx       *SafeTx
	deadline time.Time // by the contracts that the transaction calls
	signers  []asset.Address
}

// whose finds out whose Safe transaction a hash is, and what is known of it. Who
// said so comes first, then the Safes that have the payment's calls, then the
// Transaction Service.
func (s *Service) whose(ctx context.Context, p *payment.Payment, in SafeIntent) (*knownSafe, error) {
	asked, err := s.store.SafesAsked(ctx, p.ID, in.Chain)
	if err != nil {
		return nil, err
	}
	k := &knownSafe{}
	for _, x := range asked {
		k.among = append(k.among, x.Safe)
	}
	if !in.Safe.IsZero() {
		k.among = []asset.Address{in.Safe}
	}
	signatures := in.Signatures
	if in.Tx == nil || len(k.among) == 0 {
		if news := s.hearsay(ctx, p, in); news != nil {
			signatures = slices.Concat(signatures, news.Signatures)
			if err := s.told(k, p, in, news); err != nil {
				return nil, err
			}
		}
	}
	if len(k.among) == 0 {
		return nil, fault.Field("payerAddress", "safe_unknown", "payerAddress is required: it is not known which Safe this hash belongs to.")
	}
	if in.Tx != nil && k.tx == nil {
		if err := s.proveSafe(k, p, in, in.Tx); err != nil {
			return nil, err
		}
	}
	if k.among, err = s.admitted(ctx, p, k.among); err != nil {
		return nil, err
	}
	if err := s.read(ctx, p, in.Chain, k, asked); err != nil {
		return nil, err
	}
	k.signers = s.safes.Signers(in.Hash, signatures[:min(len(signatures), maxSigned)])
	return k, nil
}

// hearsay asks the Transaction Service, which must make nobody wait or fail.
func (s *Service) hearsay(ctx context.Context, p *payment.Payment, in SafeIntent) *SafeNews {
	ctx, cancel := context.WithTimeout(ctx, s.patience.Chain)
	defer cancel()
	news, err := s.safes.Ask(ctx, in.Chain, in.Hash)
	if err != nil {
		s.log.WarnContext(ctx, "a Safe transaction could not be asked about", "payment", p.ID, "chain", in.Chain, "tx", in.Hash, "err", err)
		return nil
	}
	return news
}

// told takes the Transaction Service's word as far as the hash proves it. What it
// proves of another payment is refused.
func (s *Service) told(k *knownSafe, p *payment.Payment, in SafeIntent, news *SafeNews) error {
	heard := knownSafe{among: []asset.Address{news.Account}}
	if len(news.Tx) > maxSafeTx || !in.Safe.IsZero() && in.Safe != news.Account {
		return nil
	}
	switch err := s.proveSafe(&heard, p, in, news.Tx); {
	case err == nil:
		k.among, k.tx, k.deadline = heard.among, heard.tx, heard.deadline
	case errors.Is(err, errForeign):
		if tx, rerr := s.safes.Read(in.Chain, news.Account, in.Hash, news.Tx); rerr != nil || !s.paysToo(p, in.Chain, news.Account, tx.Calls) {
			return errForeign.At("safeTxHash")
		}
		k.among = heard.among
	}
	return nil
}

var errForeign = fault.Field("safeTx", "safe_tx_foreign", "This Safe transaction does not belong to this payment.")

// proveSafe finds the account whose transaction it is: the hash commits to it. Then
// the transaction must pay this.
func (s *Service) proveSafe(k *knownSafe, p *payment.Payment, in SafeIntent, text []byte) error {
	var refused error
	for _, account := range k.among {
		tx, err := s.safes.Read(in.Chain, account, in.Hash, text)
		if err != nil {
			refused = cmp.Or(refused, err)
			continue
		}
		claim, ok := s.claimed(p, in.Chain, account, tx.Calls)
		if !ok {
			return errForeign
		}
		k.among, k.tx, k.deadline = []asset.Address{account}, &tx, claim.Deadline
		return nil
	}
	return refused
}

// claimed asks the rails whether calls of a Safe would pay a payment.
func (s *Service) claimed(p *payment.Payment, chain asset.ChainID, account asset.Address, calls []rail.Call) (rail.Claim, bool) {
	for _, r := range s.rails {
		if c, ok := r.(rail.Claimer); ok {
			if claim, ok := c.Claims(p, chain, rail.Payer{Wallet: account, Safe: true}, calls, s.now().UTC()); ok {
				return claim, true
			}
		}
	}
	return rail.Claim{}, false
}

// paysToo reports whether calls that do something else as well would pay a payment.
// Nothing is proven of them, and the Safe may execute them all the same.
func (s *Service) paysToo(p *payment.Payment, chain asset.ChainID, account asset.Address, calls []rail.Call) bool {
	return slices.ContainsFunc(calls, func(c rail.Call) bool {
		_, ok := s.claimed(p, chain, account, []rail.Call{c})
		return ok
	})
}

// admitted is those of some accounts that may pay.
func (s *Service) admitted(ctx context.Context, p *payment.Payment, among []asset.Address) (in []asset.Address, err error) {
	for _, account := range among {
		switch e := s.letIn(ctx, p, account); {
		case e == nil:
			in = append(in, account)
		case !fault.Is(e, fault.Forbidden):
			return nil, e
		default:
			err = e
		}
	}
	if len(in) > 0 {
		return in, nil
	}
	return nil, err
}

// read looks at the account, and finds since when its transaction can have been
// executed. A chain that does not answer keeps nobody from announcing for a Safe
// that has asked before.
func (s *Service) read(ctx context.Context, p *payment.Payment, chain asset.ChainID, k *knownSafe, asked []SafeAsked) error {
	remembered := false
	for _, x := range asked {
		if slices.Contains(k.among, x.Safe) && (!remembered || x.Block < k.from) {
			k.from, remembered = x.Block, true
		}
	}
	if len(k.among) > 1 {
		return nil // all of them asked
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience.Price)
	defer cancel()
	account, err := s.safes.Account(ctx, chain, k.among[0])
	switch {
	case err == nil:
		k.account = account
		if !remembered {
			k.from = account.Block - min(account.Block, lookBack)
		}
	case fault.Is(err, fault.Invalid):
		return fault.From(err).At("payerAddress")
	case !remembered:
		return err
	default:
		s.log.WarnContext(ctx, "a Safe could not be read", "payment", p.ID, "chain", chain, "err", err)
	}
	return nil
}

// attempt is what is known as a new attempt of a payment.
func (k *knownSafe) attempt(p *payment.Payment, in SafeIntent, key string, now time.Time) payment.Attempt {
	x := &payment.Safe{Deadline: in.Deadline, Vouched: in.Vouched, Guessed: in.guessed, From: k.from, Next: k.from}
	for _, account := range k.among {
		x.Among = append(x.Among, account.String())
	}
	if k.tx != nil {
		x.Nonce, x.Tx = &k.tx.Nonce, json.RawMessage(k.tx.JSON)
		if !in.Vouched {
			x.Deadline = time.Time{} // anybody can tell the transaction, and the contracts when it is too late
		}
		x.Deadline = sooner(x.Deadline, k.deadline)
	}
	if k.account != nil {
		x.Current, x.Owners, x.Threshold = &k.account.Nonce, texts(k.account.Owners), k.account.Threshold
		x.Signed = texts(among(k.signers, k.account.Owners))
	}
	a := payment.Attempt{
		Key: key, Kind: payment.KindSafeTx, Chain: in.Chain, Handle: in.Hash, Stage: payment.Announced, At: now, Until: p.Terms.ExpiresAt, Safe: x,
	}
	if !x.Deadline.IsZero() {
		a.Until = x.Deadline
	}
	if len(x.Among) == 1 {
		a.Payer = x.Among[0]
	}
	a.Decides = in.Vouched && (x.Deadline.IsZero() || now.Before(x.Deadline))
	return a
}

// sooner is the earlier of two times, of which zero ones are none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func texts(as []asset.Address) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

// among is those of some accounts that are owners, in the owners' order.
func among(some, owners []asset.Address) []asset.Address {
	return slices.DeleteFunc(slices.Clone(owners), func(a asset.Address) bool { return !slices.Contains(some, a) })
}

// AnnounceSafe records an attempt that CheckSafe has checked, and has it followed.
// While it may still be executed the payment cannot be paid otherwise, within
// bounds; see payment.SafeLock. The same hash again adds what was not known of it.
//
// Faults: NotFound; those of Payable; Conflict "safe_pending" while another one is
// pending; Limited after too many announcements.
func (s *Service) AnnounceSafe(ctx context.Context, id payment.ID, a payment.Attempt) (payment.Attempt, error) {
	now := s.now().UTC()
	checked := a
	err := s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		if noSafes(p, checked.Key) {
			return errNoSafeTx
		}
		if known := safeAttempt(p, checked.Key); known != nil {
			a = s.merge(p, *known, checked, now)
			_, err := s.change(ctx, tx, p, now, facts{attempts: []payment.Attempt{a}})
			return err
		}
		if err := s.Payable(p.AsOf(now)); err != nil {
			return err
		}
		limit := maxAnnounced
		if checked.Decides || checked.Safe.Tx != nil && shown(p) < maxShown {
			limit = maxVouched
		}
		if len(p.Attempts) >= limit {
			return fault.New(fault.Limited, "too_many_intents", "Too many transactions were announced for this payment.")
		}
		a = checked
		a.Decides = checked.Decides && p.MayHold(checked)
		if err := tx.Follow(ctx, Follow{Kind: SafeTrackKind, Payment: id, Key: a.Key, Chain: a.Chain, At: now}); err != nil {
			return fmt.Errorf("follow a Safe transaction: %w", err)
		}
		_, err = s.change(ctx, tx, p, now, facts{attempts: []payment.Attempt{a}, events: []payment.Event{
			{Kind: payment.EventAnnounced, Request: -1, Detail: a.Handle},
		}})
		return err
	})
	if err != nil {
		return payment.Attempt{}, err
	}
	return a, nil
}

// shown counts the Safe transactions whose calls were shown, and that the merchant did
// not announce.
func shown(p *payment.Payment) (n int) {
	for _, a := range p.Attempts {
		if a.Safe != nil && a.Safe.Tx != nil && !a.Decides {
			n++
		}
	}
	return n
}

// MeansSafe reports whether a hash that was announced as a transaction's is rather
// a Safe's own: wallets that are connected to a Safe give that out. The wallet is a
// Safe then, and the chain's node knows no such transaction.
func (s *Service) MeansSafe(ctx context.Context, p *payment.Payment, chain asset.ChainID, claimedTx string, wallet asset.Address) bool {
	hash := strings.ToLower(claimedTx)
	if safeAttempt(p, safeKey(chain, hash)) != nil {
		return true
	}
	if s.safes == nil || wallet.IsZero() || p.Terms.Fiat() || !isHash(hash) || slices.ContainsFunc(p.Attempts, func(a payment.Attempt) bool { return a.Handle == hash }) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience.Chain)
	defer cancel()
	var sent bool
	var sentErr error
	var asking sync.WaitGroup
	asking.Go(func() { sent, sentErr = s.safes.Sent(ctx, chain, hash) })
	_, err := s.safes.Account(ctx, chain, wallet)
	asking.Wait()
	return err == nil && sentErr == nil && !sent
}

// GuessSafe is the intent that MeansSafe takes a transaction's hash for.
func GuessSafe(chain asset.ChainID, claimedTx string, wallet asset.Address, vouched bool) SafeIntent {
	return SafeIntent{Chain: chain, Hash: claimedTx, Safe: wallet, Vouched: vouched, guessed: true}
}
