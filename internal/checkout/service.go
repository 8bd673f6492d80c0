package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Config is what a Service is made of. Log and Now have usable defaults.
type Config struct {
	Store Store
	Book  *asset.Book
	Rails []rail.Rail
	// Screener answers for payments that ask for screening, nil if none is set up.
	Screener Screener
	// Wallets reads what wallets hold, for the ways a payer can choose among.
	Wallets  Wallets
	Tracker  Tracker       // follows transfers over bridges, nil if none are offered
	Safes    Safes         // knows Safe multisig accounts, nil if none can pay
	Gasless  Gasless       // knows the smart accounts of wallets and who pays for their gas, nil if nobody does
	Prices   Prices        // knows what assets cost, nil if nothing can be due in a fiat currency
	Patience Patience      // for what a payer waits for
	Window   time.Duration // how long a payment may be paid unless the draft says otherwise
	Grace    time.Duration // how much later a block may still be in time
	Settle   time.Duration // how much later what is in a block may become known here
	// Nudge asks the watcher of a chain to look at once. It must not block.
	Nudge func(chain asset.ChainID)
	Log   *slog.Logger
	Now   func() time.Time
}

// Service is the use cases. It is safe for concurrent use.
type Service struct {
	store    Store
	book     *asset.Book
	rails    []rail.Rail
	screener Screener
	wallets  Wallets
	tracker  Tracker
	safes    Safes
	gasless  Gasless
	prices   Prices
	patience Patience
	window   time.Duration
	grace    time.Duration
	settle   time.Duration
	nudge    func(asset.ChainID)
	log      *slog.Logger
	now      func() time.Time
}

// New returns a Service.
func New(c Config) *Service {
	s := &Service{
		store: c.Store, book: c.Book, rails: c.Rails, screener: c.Screener, wallets: c.Wallets, tracker: c.Tracker, safes: c.Safes, gasless: c.Gasless, prices: c.Prices,
		patience: c.Patience.orDefault(), window: c.Window, grace: c.Grace, settle: c.Settle, nudge: c.Nudge, log: c.Log, now: c.Now,
	}
	if s.window == 0 {
		s.window = 7 * 24 * time.Hour
	}
	if s.grace == 0 {
		s.grace = 10 * time.Minute
	}
	if s.nudge == nil {
		s.nudge = func(asset.ChainID) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Book is the table of chains and tokens the service knows.
func (s *Service) Book() *asset.Book { return s.book }

// Payment loads a payment and assesses it as of now.
//
// Faults: NotFound.
func (s *Service) Payment(ctx context.Context, id payment.ID) (*payment.Payment, error) {
	p, err := s.store.Payment(ctx, id)
	if err != nil {
		return nil, err
	}
	p.Standing = p.StandingAt(s.now())
	return p, nil
}

// PaymentByRequest is Payment for one of its requests' ids.
func (s *Service) PaymentByRequest(ctx context.Context, requestID string) (*payment.Payment, error) {
	p, err := s.store.PaymentByRequest(ctx, requestID)
	if err != nil {
		return nil, err
	}
	p.Standing = p.StandingAt(s.now())
	return p, nil
}

// Offers returns the routes a payer may choose among, none if the payment
// cannot be paid now.
func (s *Service) Offers(ctx context.Context, p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	if p.Standing.State != payment.Open {
		return nil, nil
	}
	var all []rail.Option
	for _, r := range s.rails {
		options, err := r.Offer(ctx, p, payer)
		if err != nil {
			return nil, err
		}
		all = append(all, options...)
	}
	return all, nil
}

// Guard runs the checks that need no wallet, over the rails that can pay p.
func (s *Service) Guard(ctx context.Context, p *payment.Payment) []rail.Check {
	var checks []rail.Check
	for _, r := range s.rails {
		if g, ok := r.(rail.Guard); ok {
			checks = append(checks, g.Guard(ctx, p)...)
		}
	}
	return checks
}

// Prepare returns what the payer must do for one option; an empty optionID
// means the first that is offered. A refused safety check is recorded and told
// to the merchant. A Safe gets its account beside the calls, and it is remembered
// that it has them. A wallet whose user operation could still be executed, and holds
// the payment no longer, first takes back what that needs.
//
// Faults: NotFound; Invalid on "isSafe" or "wallet" for a payer who is said to be
// a Safe and cannot be one: those of Safes.Account, "safe_unsupported",
// "missing_wallet", "safe_not_there"; Invalid on "eoaWallet" or "wallet" for what is said
// to be a wallet's smart account and is none: "gasless_unsupported", "not_the_account",
// "missing_wallet", those of the rail; Forbidden if the payment is over, the wallet is not admitted
// or a safety check refuses; Conflict if it is paid or enough is on its way;
// Unavailable.
func (s *Service) Prepare(ctx context.Context, id payment.ID, optionID string, payer rail.Payer) (*payment.Payment, rail.Instruction, error) {
	p, err := s.Payment(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := s.fits(payer); err != nil {
		return p, nil, err
	}
	if err := s.Payable(p); err != nil {
		return p, nil, err
	}
	if err := s.letIn(ctx, p, payer.Person()); err != nil {
		return p, nil, err
	}
	chooses := payer
	if !payer.Owner.IsZero() || payer.Safe && p.Terms.Quoted() { // why an account cannot pay what a wallet could, preparing says
		chooses = rail.Payer{Wallet: payer.Person()}
	}
	options, err := s.Offers(ctx, p, chooses)
	if err != nil {
		return p, nil, err
	}
	i := slices.IndexFunc(options, func(o rail.Option) bool { return optionID == "" || o.ID == optionID })
	if i < 0 {
		return p, nil, errNoWay
	}
	in, err := s.prepare(ctx, p, options[i], payer)
	if f := fault.From(err); f != nil && f.Code == rail.CodeUnsafe {
		if rerr := s.Refused(ctx, p.ID, f.Field, "server", f.Public); rerr != nil {
			s.log.ErrorContext(ctx, "refused safety check not recorded", "payment", p.ID, "err", rerr)
		}
	}
	return p, in, err
}

// letIn is Admit for those who need a yes.
func (s *Service) letIn(ctx context.Context, p *payment.Payment, wallet asset.Address) error {
	a, err := s.Admit(ctx, p, wallet)
	if err != nil {
		return err
	}
	return a.Refusal()
}

// Payable tells why a payment cannot be paid now, nil if it can.
//
// Faults: those of the function Payable; Conflict "bridging" while a proven
// transfer over a bridge is on its way, "safe_pending" while a Safe's owners may
// execute a transaction that was announced, and "op_pending" while a user operation may
// be executed: paying again would pay twice.
func (s *Service) Payable(p *payment.Payment) error {
	if err := Payable(p); err != nil {
		return err
	}
	if _, ok := p.UnderWay(s.now()); ok {
		return fault.New(fault.Conflict, CodeBridging, "The money for this payment is on its way from another network.")
	}
	if _, ok := p.SafeLock(s.now()); ok {
		return errSafePending
	}
	if _, ok := p.OpLock(s.now()); ok {
		return errOpPending
	}
	return nil
}

// The codes of payments that cannot be paid now, or not any more; CodeSafePending and
// CodeOpPending are two more.
const (
	CodeInProgress = "in_progress" // enough value is on its way
	CodeBridging   = "bridging"    // a transfer over a bridge is
	CodeCompleted  = "completed"
	CodeExpired    = "expired"
	CodeCanceled   = "canceled"
	CodeFailed     = "failed"
)

// Payable tells why a payment cannot be paid now, nil if it can.
//
// Faults: Forbidden "expired", "canceled" or "failed"; Conflict "completed";
// Conflict "in_progress" when enough value is on its way already.
func Payable(p *payment.Payment) error {
	switch p.Standing.State {
	case payment.Open:
		return nil
	case payment.Seen:
		return fault.New(fault.Conflict, CodeInProgress, "The money for this payment has been sent and is being confirmed.")
	case payment.Paid:
		return fault.New(fault.Conflict, CodeCompleted, "This payment has already been made.")
	case payment.Expired:
		return fault.New(fault.Forbidden, CodeExpired, "This payment has expired.")
	case payment.Canceled:
		return fault.New(fault.Forbidden, CodeCanceled, "The recipient has cancelled this payment.")
	case payment.Failed:
		return fault.New(fault.Forbidden, CodeFailed, "This payment has failed.")
	}
	panic("checkout: unknown state " + p.Standing.State)
}

// What a payer can make us keep for one payment.
const (
	maxAnnounced = 20
	// maxVouched is for transfers over a bridge that their chain shows to be for the
	// payment. They cost their sender something, and junk must not crowd them out.
	maxVouched = 2 * maxAnnounced
)

// Report takes the payer's word that they sent a transaction, as Announce does,
// if the wallet is let in. For a restricted payment it must be named. Where
// Announce takes no more, it asks the chain and takes what would pay this. A hash
// that is rather a Safe's own is announced as such; see MeansSafe.
//
// Faults: those of Admission.Refusal, Announce, CheckSafe and AnnounceSafe.
func (s *Service) Report(ctx context.Context, id payment.ID, chain asset.ChainID, claimedTx string, payer rail.Payer) (payment.Attempt, error) {
	p, err := s.Payment(ctx, id)
	if err != nil {
		return payment.Attempt{}, err
	}
	if err := s.letIn(ctx, p, payer.Person()); err != nil {
		return payment.Attempt{}, err
	}
	if s.MeansSafe(ctx, p, chain, claimedTx, payer.Wallet) {
		a, err := s.CheckSafe(ctx, p, GuessSafe(chain, claimedTx, payer.Wallet, false))
		if err != nil {
			return payment.Attempt{}, err
		}
		return s.AnnounceSafe(ctx, id, a)
	}
	if s.Vouched(ctx, p, chain, claimedTx) {
		return s.AnnounceVouched(ctx, id, chain, claimedTx, payer)
	}
	return s.Announce(ctx, id, chain, claimedTx, payer)
}

// Announce records the payer's word that they sent a transaction; whether they
// may was asked before. claimedTx is 0x and 64 hex digits. It makes the watcher
// look at once and lets pages show that something is on its way; it never changes
// a payment by itself. Whose smart account the payer is, it is believed if it is that. Announcing the same hash on the same chain again is a no-op,
// unless it was given up unseen.
// A transaction on another chain than the payment's is a transfer over a bridge,
// which is followed from then on. What is sent to a deposit address may be sent on any
// chain, and what is due at a quote to payees' own accounts on theirs alone.
//
// Faults: NotFound; Invalid, "wrong_chain" on "chain" where nothing is paid on that chain;
// Limited after too many different hashes.
func (s *Service) Announce(ctx context.Context, id payment.ID, chain asset.ChainID, claimedTx string, payer rail.Payer) (payment.Attempt, error) {
	return s.announce(ctx, id, chain, claimedTx, payer, maxAnnounced)
}

// AnnounceVouched is Announce for a transaction that Vouched has said yes to.
func (s *Service) AnnounceVouched(ctx context.Context, id payment.ID, chain asset.ChainID, claimedTx string, payer rail.Payer) (payment.Attempt, error) {
	return s.announce(ctx, id, chain, claimedTx, payer, maxVouched)
}

// announce is Announce for a payment that has fewer attempts than limit.
func (s *Service) announce(ctx context.Context, id payment.ID, chain asset.ChainID, claimedTx string, payer rail.Payer, limit int) (payment.Attempt, error) {
	hash := strings.ToLower(claimedTx)
	if !isHash(hash) {
		return payment.Attempt{}, fault.Field("txHash", "invalid_tx_hash", "txHash must be 0x and 64 hexadecimal digits.")
	}
	if _, ok := s.book.Chain(chain); !ok {
		return payment.Attempt{}, fault.Field("chain", "unknown_chain", "This chain is not supported here.")
	}
	now := s.now().UTC()
	a := payment.Attempt{
		Key: "tx:" + hash, Kind: payment.KindTx, Chain: chain, Handle: hash, Stage: payment.Announced, At: now,
	}
	if !payer.Wallet.IsZero() {
		a.Payer = payer.Wallet.String()
	}
	if !payer.Owner.IsZero() && s.gasless != nil && s.fitsAccount(chain, payer) == nil {
		a.Owner = payer.Owner.String()
	}
	asSaid := a
	err := s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		a = asSaid
		home := s.home(p)
		foreign := home != 0 && home != chain
		if p.Terms.Fiat() && (foreign || home == 0 && p.Terms.Requests[0].Payee.IsZero()) {
			return fault.Field("chain", "wrong_chain", "This payment is not made on this chain.")
		}
		if foreign || p.Terms.Fiat() { // nobody can take another's hash away by naming it on the wrong chain first
			a.Key = bridgeKey(chain, hash)
		}
		if known, ok := announced(p, &a, func(b payment.Attempt) bool { return givenUp(b, now) }); ok {
			a = known
			return nil
		}
		if len(p.Attempts) >= limit {
			return fault.New(fault.Limited, "too_many_intents", "Too many transactions were announced for this payment.")
		}
		if foreign {
			if err := s.overBridge(ctx, tx, p, &a, now); err != nil {
				return err
			}
		}
		_, err = s.change(ctx, tx, p, now, facts{attempts: []payment.Attempt{a}, events: []payment.Event{
			{Kind: payment.EventAnnounced, Request: -1, Detail: hash},
		}})
		return err
	})
	if err != nil {
		return payment.Attempt{}, err
	}
	s.nudge(chain)
	return a, nil
}

func bridgeKey(chain asset.ChainID, hash string) string { return fmt.Sprintf("tx:%d:%s", chain, hash) }

// overBridge makes an announced transaction on another chain than the payment's a
// transfer over a bridge, which is followed, if bridges are known.
func (s *Service) overBridge(ctx context.Context, tx Tx, p *payment.Payment, a *payment.Attempt, now time.Time) error {
	if s.tracker == nil {
		return nil
	}
	a.Kind, a.Route = payment.KindBridge, &payment.Route{To: s.home(p), Progress: payment.Sent}
	if err := tx.Follow(ctx, Follow{Kind: TrackKind, Payment: p.ID, Key: a.Key, Chain: a.Chain, At: now}); err != nil {
		return fmt.Errorf("follow a transfer over a bridge: %w", err)
	}
	return nil
}

// announced finds an attempt by its key. One that was given up because nobody had
// seen it gets another chance under a key of its own, which a is given.
func announced(p *payment.Payment, a *payment.Attempt, gone func(payment.Attempt) bool) (payment.Attempt, bool) {
	for base, n := a.Key, 2; ; n++ {
		i := slices.IndexFunc(p.Attempts, func(known payment.Attempt) bool { return known.Key == a.Key })
		if i < 0 {
			return payment.Attempt{}, false
		}
		if !gone(p.Attempts[i]) {
			return p.Attempts[i], true
		}
		a.Key = fmt.Sprintf("%s:%d", base, n)
	}
}

func isHash(s string) bool {
	if len(s) != 66 || s[:2] != "0x" {
		return false
	}
	for _, c := range s[2:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// recordWithin bounds how long the record of a refused check may take.
const recordWithin = 5 * time.Second

// Refused records that a safety check refused and has the merchant told, once
// for each check and source ("server", "page", or "step" for a route that somebody
// sent back). It does not stop when ctx is cancelled: who looks at a dangerous page
// and leaves must not hush it up.
//
// Faults: NotFound.
func (s *Service) Refused(ctx context.Context, id payment.ID, check, source, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	detail := source + ": " + check
	// The same alarm has the same id, so the store takes it once, whoever raises it.
	alarm := payment.NamedULID(string(id), "unsafe", source, check)
	if why != "" {
		detail += ": " + why
	}
	known, err := s.store.Events(ctx, id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(e payment.Event) bool { return e.ID == alarm }) {
		return nil
	}
	now := s.now().UTC()
	err = s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		_, err = s.change(ctx, tx, p, now, facts{events: []payment.Event{{ID: alarm, Kind: payment.EventUnsafe, Request: -1, Detail: detail}}})
		return err
	})
	if fault.Is(err, fault.Conflict) {
		return nil // somebody else was faster
	}
	return err
}
