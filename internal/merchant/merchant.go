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
	"net/url"
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
	SecPaidToken   CredentialKind = "secpaid_token"   // body token of the links dialect
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

// Origin writes an allowed origin the way browsers send it: scheme and host in
// lower case, no default port, no path.
//
// Faults: Invalid "invalid_origin".
func Origin(text string) (string, error) {
	bad := fault.Field("allowedDomains", "invalid_origin", "An allowed domain is an origin like https://shop.example.com.")
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil ||
		(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Host, "*% ") {
		return "", bad
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + host + ":" + port, nil
}

// Endpoint receives webhooks.
type Endpoint struct {
	ID        string // ULID
	Merchant  payment.MerchantID
	URL       string
	Secret    string // signs deliveries; sealed at rest
	ClientID  string // only events of this client id, "" for all of the merchant's
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
	ID       string // ULID
	Merchant payment.MerchantID
	To       asset.Destination
	// WalletType is what the wallet is: "eoa", or "safe" for a contract.
	WalletType string
	Access     *payment.Access // nil for the merchant's own
	Active     bool
	CreatedAt  time.Time
}

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

	InsertEndpoint(ctx context.Context, e Endpoint) error // Conflict "webhook_exists" if the merchant has that URL
	Endpoints(ctx context.Context, m payment.MerchantID) ([]Endpoint, error)
	SetEndpointActive(ctx context.Context, m payment.MerchantID, id string, active bool) error
	DeleteEndpoint(ctx context.Context, m payment.MerchantID, id string) error

	InsertDestination(ctx context.Context, d Destination) error // an active one replaces the active one of its wallet and chain
	Destinations(ctx context.Context, m payment.MerchantID) ([]Destination, error)
	DeactivateDestination(ctx context.Context, m payment.MerchantID, id string) error
}

// Authenticate finds the working credential behind a secret.
//
// Faults: Unauthorized if there is none or it was revoked.
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
	case !c.RevokedAt.IsZero():
		return Credential{}, denied
	}
	return c, nil
}
