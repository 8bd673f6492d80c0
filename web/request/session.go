package request

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/siwe"
	"quittance/web"
)

// Wallets is what signing in needs stored.
type Wallets interface {
	merchant.Store
	merchant.Accounts
}

// sessionRoutes adds Sign-In with Ethereum (EIP-4361). They are for pages of this
// server's own origin: a message names it, and a wallet warns of any other.
func (d *dialect) sessionRoutes() {
	d.route(http.MethodPost, "/v1/auth/nonce", d.newNonce)
	d.route(http.MethodPost, "/v1/auth/verify", d.signIn)
	d.route(http.MethodGet, "/v1/auth/session", d.showSession)
	d.route(http.MethodPost, "/v1/auth/logout", d.signOut)
}

type nonceWire struct {
	Nonce     string   `json:"nonce"`
	Domain    string   `json:"domain"`
	URI       string   `json:"uri"`
	ChainIDs  []uint64 `json:"chainIds"`
	ExpiresAt string   `json:"expiresAt"`
}

// newNonce gives out what a page needs to word a message.
func (d *dialect) newNonce(c echo.Context) error {
	if err := d.mayStart(c); err != nil {
		return err
	}
	n := merchant.NewNonce(merchant.NonceSignIn, "", time.Now().UTC())
	if err := d.Accounts.InsertNonce(c.Request().Context(), n); err != nil {
		return err
	}
	w := nonceWire{Nonce: n.Value, Domain: d.expected().Domain, URI: d.BaseURL, ExpiresAt: timestamp(n.ExpiresAt)}
	for _, x := range d.Checkout.Book().Chains() {
		w.ChainIDs = append(w.ChainIDs, uint64(x.ID))
	}
	slices.Sort(w.ChainIDs)
	return c.JSON(http.StatusOK, w)
}

// mayStart lets a caller without a session sign in: from our own pages or no
// page at all, and not too often.
func (d *dialect) mayStart(c echo.Context) error {
	if err := d.Server.FromOwnPage(c.Request()); err != nil {
		return err
	}
	if err := d.Limits.Guessing(c); err != nil {
		return err
	}
	return d.Limits.Take(c, d.Limits.Sessions, "session", "")
}

type signInBody struct {
	Message   rawText `json:"message"`
	Signature string  `json:"signature"`
}

// rawText is text with line breaks, which ordinary members may not have.
type rawText struct{ value string }

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawText) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.value) }

type sessionWire struct {
	Token         string `json:"token,omitempty"`
	WalletAddress string `json:"walletAddress"`
	ChainID       uint64 `json:"chainId"`
	ExpiresAt     string `json:"expiresAt"`
}

// signIn opens a session for whoever signed the message. It has no idempotency
// key: a repeat of a message must be refused, and its nonce sees to that.
func (d *dialect) signIn(c echo.Context) error {
	if err := d.mayStart(c); err != nil {
		return err
	}
	in, err := web.Read[signInBody](c, web.MaxBody)
	if err != nil {
		return err
	}
	made, secret, err := d.prove(c.Request().Context(), in)
	if fault.Is(err, fault.Unauthorized) {
		d.Limits.Guessed(c)
	}
	if err != nil {
		return err
	}
	if err := d.Sessions.SignIn(c.Response(), c.Request(), secret, d.Server.Secure()); err != nil {
		return err
	}
	w := newSession(made)
	w.Token = secret
	return c.JSON(http.StatusOK, w)
}

func newSession(s merchant.Session) sessionWire {
	return sessionWire{WalletAddress: s.Wallet.String(), ChainID: uint64(s.Chain), ExpiresAt: timestamp(s.ExpiresAt)}
}

// prove checks a signed message and opens a session for its wallet.
//
// Faults: Invalid "invalid_message", "invalid_signature_form"; Unauthorized for
// each thing that may be wrong with a message (siwe.Message.Check), "nonce_unknown"
// and "invalid_signature"; Forbidden "wallet_unknown" and "contract_unknown";
// Unavailable.
func (d *dialect) prove(ctx context.Context, in signInBody) (merchant.Session, string, error) {
	now := time.Now().UTC()
	m, err := siwe.Parse(in.Message.value)
	if err != nil {
		return merchant.Session{}, "", err
	}
	signature, err := signatureBytes(in.Signature)
	if err != nil {
		return merchant.Session{}, "", err
	}
	if err := m.Check(d.expected(), now); err != nil {
		return merchant.Session{}, "", err
	}
	// The nonce goes before the signature is looked at: each look costs one, and of
	// all who bring the same message one gets further.
	n, err := d.Accounts.UseNonce(ctx, merchant.NonceSignIn, m.Nonce, now)
	if fault.Is(err, fault.NotFound) {
		return merchant.Session{}, "", fault.New(fault.Unauthorized, "nonce_unknown", "The message's nonce is not ours, was used, or is too old. Ask for another.").At("message")
	}
	if err != nil {
		return merchant.Session{}, "", err
	}
	digest := siwe.MessageDigest(in.Message.value)
	err = d.Verifier.Verify(ctx, m.Chain, m.Address, digest, signature)
	if fault.Is(err, fault.Unavailable) {
		// Nothing was decided: the same message may come again.
		if rerr := d.Accounts.InsertNonce(context.WithoutCancel(ctx), n); rerr != nil {
			return merchant.Session{}, "", rerr
		}
	}
	if err != nil {
		return merchant.Session{}, "", err
	}
	return d.open(ctx, merchant.Proof{Wallet: m.Address, Chain: m.Chain, ByContract: !siwe.ByKey(m.Address, digest, signature)}, now)
}

// open makes the session, and the merchant where anybody may become one.
func (d *dialect) open(ctx context.Context, p merchant.Proof, now time.Time) (made merchant.Session, secret string, err error) {
	for range 2 {
		_, _, err = d.Ledger.Once(ctx, nil, now, func(ctx context.Context) (a checkout.Answer, err error) {
			made, secret, err = merchant.SignIn(ctx, d.Accounts, p, d.OpenSignup, now)
			return a, err
		})
		if !fault.Is(err, fault.Conflict) {
			return made, secret, err
		}
		// The same wallet has just become a merchant elsewhere: that one is it.
	}
	return made, secret, err
}

// signatureBytes reads 0x and hexadecimal digits.
func signatureBytes(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) == 0 || len(b) > siwe.MaxSignature {
		return nil, fault.Field("signature", "invalid_signature_form", "signature must be 0x and hexadecimal digits.")
	}
	return b, nil
}

// expected is what messages must name.
func (d *dialect) expected() siwe.Expected {
	scheme, domain, _ := strings.Cut(d.BaseURL, "://")
	if u, err := url.Parse(d.BaseURL); err == nil && ((scheme == "https" && u.Port() == "443") || (scheme == "http" && u.Port() == "80")) {
		domain = strings.TrimSuffix(domain, ":"+u.Port()) // as browsers have it
	}
	return siwe.Expected{Scheme: scheme, Domain: domain, Known: func(id asset.ChainID) bool {
		_, ok := d.Checkout.Book().Chain(id)
		return ok
	}}
}

// showSession tells who is signed in.
func (d *dialect) showSession(c echo.Context) error {
	who, err := d.signedIn(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, newSession(who.session))
}

// signOut ends the session on all nodes. Whoever has none is signed out already.
func (d *dialect) signOut(c echo.Context) error {
	if err := d.Server.FromOwnPage(c.Request()); err != nil {
		return err
	}
	who, err := d.signedIn(c)
	if err != nil && !fault.Is(err, fault.Unauthorized) {
		return err
	}
	if err == nil {
		if err := d.Accounts.EndSession(c.Request().Context(), who.session.Hash); err != nil {
			return err
		}
	}
	if err := d.Sessions.SignOut(c.Response(), c.Request(), d.Server.Secure()); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
