package merchant

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// How long a session lasts: from its last use, and at most.
const (
	SessionIdle = 15 * time.Minute
	SessionMax  = 12 * time.Hour
)

// NonceLife is how long what is to be signed may be signed.
const NonceLife = 5 * time.Minute

// Wallet is a wallet whose sign-in acts for a merchant.
type Wallet struct {
	Address  asset.Address
	Merchant payment.MerchantID
	// Contract is the chain on which the wallet is a contract whose word counts
	// (EIP-1271), 0 for an account that signs with its own key. The contract at
	// the same address on another chain may be somebody else's.
	Contract  asset.ChainID
	CreatedAt time.Time
}

// Accounts keeps wallets, what they are to sign, and their sessions.
type Accounts interface {
	// AddWallet lets a wallet act for a merchant. A wallet acts for one.
	//
	// Faults: Conflict "wallet_taken"; NotFound if there is no such merchant.
	AddWallet(ctx context.Context, w Wallet) error
	// RemoveWallet takes that back and ends the wallet's sessions.
	//
	// Faults: NotFound "wallet_not_found".
	RemoveWallet(ctx context.Context, m payment.MerchantID, wallet asset.Address) error
	// Wallets are a merchant's, in the order of their addresses.
	Wallets(ctx context.Context, m payment.MerchantID) ([]Wallet, error)
	// Wallet is a wallet that acts for a merchant. Fault: NotFound "wallet_not_found".
	Wallet(ctx context.Context, wallet asset.Address) (Wallet, error)

	// InsertNonce keeps a number until it is used. Fault: Conflict "nonce_taken".
	InsertNonce(ctx context.Context, n Nonce) error
	// Nonce is what a number was given out for; it stays. Fault: NotFound like UseNonce.
	Nonce(ctx context.Context, purpose, value string, now time.Time) (Nonce, error)
	// UseNonce takes a number away and returns what it was given out for: of all
	// who try, on all nodes, one gets it.
	//
	// Faults: NotFound "nonce_not_found", also for another purpose or after its time.
	UseNonce(ctx context.Context, purpose, value string, now time.Time) (Nonce, error)

	// InsertSession keeps a session. Fault: NotFound if there is no such merchant.
	InsertSession(ctx context.Context, s Session) error
	// Session finds a session that is not over, and notes its use: see Session.Used.
	//
	// Faults: NotFound "session_not_found".
	Session(ctx context.Context, hash string, now time.Time) (Session, error)
	// EndSession ends a session on all nodes. One that is over already is a no-op.
	EndSession(ctx context.Context, hash string) error
	// PruneExpired forgets numbers and sessions that are over, and limits that have
	// their whole allowance again, and returns how many.
	PruneExpired(ctx context.Context, now time.Time) (int, error)
}

// NewNonce makes a number for a purpose. It has 130 random bits as 26 letters
// and digits, which EIP-4361 takes.
func NewNonce(purpose, detail string, now time.Time) Nonce {
	return Nonce{Value: rand.Text(), Purpose: purpose, Detail: detail, ExpiresAt: now.Add(NonceLife)}
}

// The purposes of nonces.
const (
	NonceSignIn      = "sign_in"
	NonceDestination = "destination"
)

// SessionPrefix tells a session's secret from other secrets.
const SessionPrefix = "qs_"

// NewSession makes a session and its secret, which is not kept.
func NewSession(m payment.MerchantID, wallet asset.Address, chain asset.ChainID, now time.Time) (Session, string) {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	secret := SessionPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	return Session{
		Hash: HashSecret(secret), Merchant: m, Wallet: wallet, Chain: chain,
		CreatedAt: now, ExpiresAt: now.Add(SessionIdle), EndsAt: now.Add(SessionMax),
	}, secret
}

// Over reports whether a session works no longer.
func (s Session) Over(now time.Time) bool { return !now.Before(s.ExpiresAt) || !now.Before(s.EndsAt) }

// Used moves the end of a session that is used in the second half of its idle
// time, and reports whether it did: most uses need not be written down.
func (s Session) Used(now time.Time) (Session, bool) {
	later := now.Add(SessionIdle)
	if later.After(s.EndsAt) {
		later = s.EndsAt
	}
	if s.ExpiresAt.Sub(now) > SessionIdle/2 || !later.After(s.ExpiresAt) {
		return s, false
	}
	s.ExpiresAt = later
	return s, true
}

// Proof is that somebody holds a wallet.
type Proof struct {
	Wallet     asset.Address
	Chain      asset.ChainID // that the signed message names
	ByContract bool          // a contract on that chain said so, and not the wallet's own key
}

// SignIn opens a session for a wallet whose owner has proved that it is theirs,
// and returns its secret. A contract's word counts on the chain that the wallet
// is known to be a contract on, for whoever signs in names the chain. With
// openSignup a wallet that acts for nobody gets a merchant of its own. It belongs
// into one transaction: ctx is of an effect.
//
// Faults: Forbidden "wallet_unknown" and "contract_unknown"; Conflict
// "wallet_taken" if the same wallet signs in for the first time elsewhere, at the
// same moment.
func SignIn(ctx context.Context, s interface {
	Store
	Accounts
}, p Proof, openSignup bool, now time.Time) (Session, string, error) {
	w, err := s.Wallet(ctx, p.Wallet)
	switch {
	case fault.Is(err, fault.NotFound) && !openSignup:
		return Session{}, "", fault.New(fault.Forbidden, "wallet_unknown", "This wallet does not belong to a merchant of this server.")
	case fault.Is(err, fault.NotFound):
		w = Wallet{Address: p.Wallet, Merchant: payment.MerchantID(payment.NewULID(now)), CreatedAt: now}
		if p.ByContract {
			w.Contract = p.Chain
		}
		if err := s.InsertMerchant(ctx, Merchant{ID: w.Merchant, Name: p.Wallet.String(), CreatedAt: now}); err != nil {
			return Session{}, "", err
		}
		if err := s.AddWallet(ctx, w); err != nil {
			return Session{}, "", err
		}
	case err != nil:
		return Session{}, "", err
	case p.ByContract && w.Contract != p.Chain:
		return Session{}, "", fault.New(fault.Forbidden, "contract_unknown", "This wallet is not known here as a contract on this chain.")
	}
	made, secret := NewSession(w.Merchant, p.Wallet, p.Chain, now)
	return made, secret, s.InsertSession(ctx, made)
}
