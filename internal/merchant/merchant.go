// Package merchant knows who may use the server: merchants, their credentials,
// webhook endpoints and settings. It knows no HTTP and no database: it makes and
// checks credentials, and declares what it needs stored.
package merchant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// Merchant is somebody who gets paid.
type Merchant struct {
	ID     payment.MerchantID
	Name   string        // shown to payers
	Window time.Duration // how long a new payment may be paid, 0 for the server's default
	// Access is who may see and pay its links unless a destination or a payment
	// says otherwise.
	Access    payment.Access
	CreatedAt time.Time
}

// CredentialKind says what a credential opens.
type CredentialKind string

// The kinds of credentials.
const (
	APIKey         CredentialKind = "api_key"         // x-api-key, server side
	ClientID       CredentialKind = "client_id"       // x-client-id, public, bound to origins
	SpacePaySecret CredentialKind = "spacepay_secret" // X-SpacePay-Secret-Key
	SecPaidToken   CredentialKind = "secpaid_token"   // header Token of the SecPaid dialect
)

// Credential is a stored key. The secret itself is never stored, only its
// SHA-256: keys carry 160 random bits, so a slow hash would add nothing.
type Credential struct {
	ID        string // ULID
	Merchant  payment.MerchantID
	Kind      CredentialKind
	Hash      string   // hex SHA-256 of the secret
	Hint      string   // the first characters, to tell keys apart
	Label     string   // the merchant's own name for it
	Origins   []string // exact origins allowed to use a client id, empty for backends
	CreatedAt time.Time
	RevokedAt time.Time // zero while it works

	// The rest is set for client ids only.
	Public      string // the client id itself, which is no secret
	Settings    ClientSettings
	Destination string    // id of the destination it is bound to, "" for none
	InactiveAt  time.Time // zero while it is switched on
	LastUsedAt  time.Time // to the minute, zero if it never was
	UpdatedAt   time.Time // zero if it never was
}

// ClientSettings is what a merchant sets for a client id.
type ClientSettings struct {
	// FeePercentage overrides what a request asks for, unless it is "0": then the
	// request's own fee counts. "" allows no fee.
	FeePercentage       string
	FeeAddress          asset.Address
	OperatorWallet      asset.Address // zero if none
	PreApprovalExpiry   time.Duration // 0 if not set; kept for clients, nothing here uses it
	AuthorizationExpiry time.Duration // 0 if not set; kept for clients, nothing here uses it
}

// ClientStatus is where a client id stands.
type ClientStatus string

// The statuses of a client id. A revoked one never works again.
const (
	ClientActive   ClientStatus = "active"
	ClientInactive ClientStatus = "inactive"
	ClientRevoked  ClientStatus = "revoked"
)

// Status of a client id.
func (c Credential) Status() ClientStatus {
	switch {
	case !c.RevokedAt.IsZero():
		return ClientRevoked
	case !c.InactiveAt.IsZero():
		return ClientInactive
	default:
		return ClientActive
	}
}

var prefixes = map[CredentialKind]string{
	APIKey:         "qk_",
	ClientID:       "cli_",
	SpacePaySecret: "sk_",
	SecPaidToken:   "sp_",
}

// NewSecret makes a secret of a kind with a recognisable prefix; sandbox
// secrets say so, so that a test key in a live configuration is noticed.
func NewSecret(kind CredentialKind, sandbox bool) string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	mode := "live_"
	if sandbox {
		mode = "test_"
	}
	if kind == ClientID {
		mode = ""
	}
	return prefixes[kind] + mode + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// HashSecret is what is stored and looked up. Looking up by hash needs no
// constant-time comparison: who can choose the hash's bits can already invert it.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Hint is the part of a secret that may be shown again.
func Hint(secret string) string {
	if len(secret) <= 12 {
		return secret[:len(secret)/2]
	}
	return secret[:12] + "…"
}

// Endpoint receives webhooks.
type Endpoint struct {
	ID       string // ULID
	Merchant payment.MerchantID
	URL      string
	Secret   string // signs deliveries; sealed at rest
	ClientID string // only events of this client id, "" for all of the merchant's
	// Dialect is whose messages it hears, and only those that name it; "" for one that the
	// merchant has registered, which hears everything but those. The ones of a dialect are
	// made when they are named for the first time, are not listed or counted with the
	// others, and sign with the secret of the merchant's link settings.
	Dialect   string
	Active    bool
	CreatedAt time.Time

	// PreviousSecret signs beside Secret until PreviousUntil, "" if none does.
	PreviousSecret string
	PreviousUntil  time.Time
	// FailingSince is the first failure after the last success, zero if none.
	FailingSince time.Time
	// DisabledAt is when the server switched it off for failing, zero if it did not.
	DisabledAt  time.Time
	DisabledWhy string
}

// Destination is where a merchant's payments go unless a request says otherwise.
type Destination struct {
	ID         string // ULID
	Merchant   payment.MerchantID
	To         asset.Destination
	WalletType WalletType
	Access     *payment.Access // nil for the merchant's own
	Active     bool
	CreatedAt  time.Time
}

// WalletType is what kind of account a wallet is, in the Request API's words.
type WalletType string

// The types of wallets. "" is stored as an EOA.
const (
	EOA      WalletType = "eoa"
	Contract WalletType = "safe" // any contract, a Safe or another one
)

// Nonce is a number that may be used once, and what it was given out for.
type Nonce struct {
	Value     string // unguessable
	Purpose   string // "sign_in", "destination"
	Detail    string // JSON of what is to be signed with it, "" if nothing is fixed
	ExpiresAt time.Time
}

// Session is a wallet that has signed in.
type Session struct {
	Hash      string // hex SHA-256 of the session's secret
	Merchant  payment.MerchantID
	Wallet    asset.Address
	Chain     asset.ChainID
	CreatedAt time.Time
	ExpiresAt time.Time // moves on with use
	EndsAt    time.Time // never moves
}

// Store keeps all this. Implementations return fault.NotFound for what is not there.
type Store interface {
	InsertMerchant(ctx context.Context, m Merchant) error
	Merchant(ctx context.Context, id payment.MerchantID) (Merchant, error)
	Merchants(ctx context.Context) ([]Merchant, error)

	InsertCredential(ctx context.Context, c Credential) error
	CredentialByHash(ctx context.Context, kind CredentialKind, hash string) (Credential, error)
	Credentials(ctx context.Context, m payment.MerchantID) ([]Credential, error)
	RevokeCredential(ctx context.Context, m payment.MerchantID, id string, at time.Time) error
	// TouchCredential notes that a credential was used, unless a later use is noted already.
	TouchCredential(ctx context.Context, id string, at time.Time) error
	// Client is one client id of a merchant's. Fault: NotFound "client_id_not_found".
	Client(ctx context.Context, m payment.MerchantID, id string) (Credential, error)
	// UpdateClient changes a client id under a lock and returns what became of it.
	// change sees it as it is stored and may set label, origins, settings,
	// destination, UpdatedAt, InactiveAt and RevokedAt; its error leaves all as it
	// was. It may run more than once.
	//
	// Faults: NotFound "client_id_not_found"; Conflict "revoked" if it was revoked before.
	UpdateClient(ctx context.Context, m payment.MerchantID, id string, change func(*Credential) error) (Credential, error)

	InsertEndpoint(ctx context.Context, e Endpoint) error // Conflict "webhook_exists" if the merchant has that URL
	Endpoints(ctx context.Context, m payment.MerchantID) ([]Endpoint, error)
	SetEndpointActive(ctx context.Context, m payment.MerchantID, id string, active bool) error
	DeleteEndpoint(ctx context.Context, m payment.MerchantID, id string) error

	InsertDestination(ctx context.Context, d Destination) error // an active one replaces the active one of its wallet and chain
	Destinations(ctx context.Context, m payment.MerchantID) ([]Destination, error)
	ActiveDestinations(ctx context.Context, m payment.MerchantID) ([]Destination, error)
	// Destination is one of a merchant's. Fault: NotFound "destination_not_found".
	Destination(ctx context.Context, m payment.MerchantID, id string) (Destination, error)
	// MoveDestination gives an active destination another chain, token, wallet type
	// and access policy; it replaces the active one of its wallet on that chain.
	// Fault: NotFound "destination_not_found" if it is not active.
	MoveDestination(ctx context.Context, d Destination) error
	DeactivateDestination(ctx context.Context, m payment.MerchantID, id string) error
}

// Authenticate finds the working credential behind a secret.
//
// Faults: Unauthorized if there is none, or it was a secret that was revoked;
// Forbidden "client_id_revoked" and "client_id_inactive" of a client id, which is
// no secret, that works no longer or not now.
func Authenticate(ctx context.Context, s Store, kind CredentialKind, secret string) (Credential, error) {
	denied := fault.New(fault.Unauthorized, "invalid_credential", "The credential is missing or not valid.")
	if secret == "" || len(secret) > 200 {
		return Credential{}, denied
	}
	c, err := s.CredentialByHash(ctx, kind, HashSecret(secret))
	switch {
	case fault.Is(err, fault.NotFound):
		return Credential{}, denied
	case err != nil:
		return Credential{}, err
	case c.Status() == ClientRevoked && kind == ClientID:
		return Credential{}, fault.New(fault.Forbidden, "client_id_revoked", "This client id was revoked.")
	case c.Status() == ClientRevoked:
		return Credential{}, denied
	case c.Status() == ClientInactive:
		return Credential{}, fault.New(fault.Forbidden, "client_id_inactive", "This client id is switched off.")
	}
	return c, nil
}
