package request

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/siwe"
	"quittance/web"
)

// proofLife is how long a wallet may take to sign.
const proofLife = 15 * time.Minute

// The actions a wallet signs for.
const (
	actionAdd        = "add"
	actionDeactivate = "deactivate"
)

// proof is what a wallet signs. It is kept with its nonce, so that what counts in
// the end is what was signed: the names are part of the stored format.
type proof struct {
	Server    string             `json:"server"`
	Merchant  payment.MerchantID `json:"merchant"`
	Name      string             `json:"name"` // of the merchant
	Action    string             `json:"action"`
	Wallet    string             `json:"wallet"`
	Chain     asset.ChainID      `json:"chain"`
	Token     string             `json:"token"`
	Nonce     string             `json:"-"`
	ExpiresAt int64              `json:"expiresAt"` // Unix seconds
}

func (p proof) domain() siwe.Domain {
	return siwe.Domain{Name: "Quittance", Version: "1", Chain: p.Chain}
}

// member is one member of the typed data: as a wallet shows it, and as it is hashed.
type member struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	value  string
	hashed siwe.Member
}

const primaryType = "PayeeDestination"

// members are what is signed, in their order.
func (p proof) members(to asset.Destination) []member {
	text := func(name, v string) member { return member{name, "string", v, siwe.Text(name, v)} }
	account := func(name string, a asset.Address) member {
		return member{name, "address", a.String(), siwe.Account(name, a)}
	}
	number := func(name string, v *big.Int) member { return member{name, "uint256", v.String(), siwe.Number(name, v)} }
	return []member{
		text("action", p.Action), text("server", p.Server), text("merchant", p.Name), text("merchantId", string(p.Merchant)),
		account("wallet", to.Wallet), account("token", to.Token), number("chainId", new(big.Int).SetUint64(uint64(to.Chain))),
		text("nonce", p.Nonce), number("expiresAt", big.NewInt(p.ExpiresAt)),
	}
}

// to is the destination that a proof is about.
func (p proof) to() (asset.Destination, error) {
	wallet, err := asset.ParseAddress(p.Wallet)
	if err != nil {
		return asset.Destination{}, fmt.Errorf("stored proof: %w", err)
	}
	token, err := asset.ParseAddress(p.Token)
	if err != nil {
		return asset.Destination{}, fmt.Errorf("stored proof: %w", err)
	}
	return asset.Destination{Wallet: wallet, Chain: p.Chain, Token: token}, nil
}

func (p proof) digest(to asset.Destination) [32]byte {
	var hashed []siwe.Member
	for _, m := range p.members(to) {
		hashed = append(hashed, m.hashed)
	}
	return siwe.TypedDigest(p.domain().Separator(), siwe.StructHash(primaryType, hashed...))
}

// signingWire is what eth_signTypedData_v4 takes, and the nonce to send with the
// signature.
type signingWire struct {
	Domain      domainWire          `json:"domain"`
	Types       map[string][]member `json:"types"`
	PrimaryType string              `json:"primaryType"`
	Message     map[string]string   `json:"message"`
	Nonce       string              `json:"nonce"`
	ExpiresAt   string              `json:"expiresAt"`
}

type domainWire struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	ChainID asset.ChainID `json:"chainId"`
}

func (p proof) wire(to asset.Destination) signingWire {
	members := p.members(to)
	message := map[string]string{}
	for _, m := range members {
		message[m.Name] = m.value
	}
	domain := p.domain()
	return signingWire{
		Domain: domainWire{domain.Name, domain.Version, domain.Chain},
		Types: map[string][]member{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "chainId", Type: "uint256"}},
			primaryType:    members,
		},
		PrimaryType: primaryType, Message: message, Nonce: p.Nonce, ExpiresAt: timestamp(time.Unix(p.ExpiresAt, 0)),
	}
}

// signingData gives out what a wallet has to sign to add or deactivate a
// destination.
func (d *dialect) signingData(c echo.Context) error {
	who, err := d.fromPage(c)
	if err != nil {
		return err
	}
	action := c.QueryParam("action")
	if action != actionAdd && action != actionDeactivate {
		return fault.Field("action", "invalid_action", "action must be add or deactivate.")
	}
	var to asset.Destination
	if to.Wallet, err = addressQuery(c, "walletAddress"); err != nil {
		return err
	}
	if to.Wallet.IsZero() {
		return fault.Field("walletAddress", "invalid_address", "walletAddress is the zero address, which nobody holds.")
	}
	if to.Chain, err = d.chainQuery(c); err != nil {
		return err
	}
	if to.Token, err = addressQuery(c, "tokenAddress"); err != nil {
		return err
	}
	if _, err = d.tokenAt("tokenAddress", to.Chain, to.Token); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if action == actionAdd {
		err = d.mayAdd(ctx, who, to)
	} else {
		_, err = d.activeTo(ctx, who, to)
	}
	if err != nil {
		return err
	}
	m, err := d.Directory.Merchant(ctx, who.Merchant)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	p := proof{
		Server: d.BaseURL, Merchant: m.ID, Name: m.Name, Action: action, Wallet: to.Wallet.String(), Chain: to.Chain, Token: to.Token.String(),
		ExpiresAt: now.Add(proofLife).Unix(),
	}
	detail, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode proof: %w", err)
	}
	n := merchant.NewNonce(merchant.NonceDestination, string(detail), now)
	n.ExpiresAt, p.Nonce = time.Unix(p.ExpiresAt, 0).UTC(), n.Value
	if err := d.Accounts.InsertNonce(ctx, n); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, p.wire(to))
}

// mayAdd holds a client id to wallets that are the merchant's already: the id is
// public, and whoever reads it off a page could sign for a wallet of their own
// and be paid in the merchant's place. A contract is the merchant's on one chain:
// the one at the same address on another may be somebody else's.
func (d *dialect) mayAdd(ctx context.Context, who caller, to asset.Destination) error {
	if who.clientID == "" {
		return nil
	}
	w, err := d.Accounts.Wallet(ctx, to.Wallet)
	if err == nil && w.Merchant == who.Merchant && (w.Contract == 0 || w.Contract == to.Chain) {
		return nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	active, err := d.Accounts.ActiveDestinations(ctx, who.Merchant)
	if err != nil {
		return err
	}
	if newest(active, func(x merchant.Destination) bool {
		return x.To.Wallet == to.Wallet && (x.WalletType != merchant.Contract || x.To.Chain == to.Chain)
	}) != nil {
		return nil
	}
	return fault.New(fault.Forbidden, "unknown_wallet",
		"A client id can add destinations of the merchant's known wallets only. Use an API key, or sign in with this wallet.").At("walletAddress")
}

var errDeactivation = fault.New(fault.Invalid, "deactivation_failed", "Destination not found or validation failed")

// activeTo finds the caller's active destination to a wallet, chain and token.
func (d *dialect) activeTo(ctx context.Context, who caller, to asset.Destination) (*merchant.Destination, error) {
	active, err := d.Accounts.ActiveDestinations(ctx, who.Merchant)
	if err != nil {
		return nil, err
	}
	if found := newest(active, func(x merchant.Destination) bool { return x.To == to }); found != nil {
		return found, nil
	}
	return nil, errDeactivation.At("tokenAddress")
}

type proofBody struct {
	Signature *string `json:"signature"`
	Nonce     *string `json:"nonce"`
}

// maxSignature bounds signatures, in bytes: those of contracts are longer than
// the 65 of an account.
const maxSignature = 4 << 10

// proved reads a body and checks that the wallet signed what the nonce was given
// out for. It does not use the nonce up: who performs the action does.
func (d *dialect) proved(ctx context.Context, who caller, body []byte, action string) (proof, asset.Destination, error) {
	var in proofBody
	if err := web.Decode(body, &in); err != nil {
		return proof{}, asset.Destination{}, err
	}
	switch {
	case in.Signature == nil:
		return proof{}, asset.Destination{}, fault.Field("signature", "missing_signature", "signature is required.")
	case in.Nonce == nil:
		return proof{}, asset.Destination{}, fault.Field("nonce", "missing_nonce", "nonce is required.")
	}
	signature, err := parseSignature(*in.Signature)
	if err != nil {
		return proof{}, asset.Destination{}, err
	}
	kept, err := d.Accounts.Nonce(ctx, merchant.NonceDestination, *in.Nonce, time.Now().UTC())
	if fault.Is(err, fault.NotFound) {
		return proof{}, asset.Destination{}, errNonce
	}
	if err != nil {
		return proof{}, asset.Destination{}, err
	}
	p := proof{}
	if err := json.Unmarshal([]byte(kept.Detail), &p); err != nil {
		return p, asset.Destination{}, fmt.Errorf("decode proof: %w", err)
	}
	p.Nonce = kept.Value
	if p.Merchant != who.Merchant || p.Action != action {
		return p, asset.Destination{}, errNonce
	}
	to, err := p.to()
	if err != nil {
		return p, to, err
	}
	err = d.Verifier.Verify(ctx, to.Chain, to.Wallet, p.digest(to), signature)
	if fault.Is(err, fault.Unauthorized) {
		err = fault.Field("signature", "invalid_signature", "The signature was not made by this wallet.").Because(err)
	}
	return p, to, err
}

var errNonce = fault.Field("nonce", "invalid_nonce", "The nonce is not known, was used already, or is too old. Ask for new signing data.")

func parseSignature(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	signature, err := hex.DecodeString(digits)
	if !ok || err != nil || len(signature) < 65 || len(signature) > maxSignature {
		return nil, fault.Field("signature", "invalid_signature", "signature must be 0x and 130 hexadecimal digits, or more for a contract's, at most "+strconv.Itoa(2*maxSignature)+".")
	}
	return signature, nil
}

// spend uses a proof's nonce up.
func (d *dialect) spend(ctx context.Context, p proof) error {
	_, err := d.Accounts.UseNonce(ctx, merchant.NonceDestination, p.Nonce, time.Now().UTC())
	if fault.Is(err, fault.NotFound) {
		return errNonce
	}
	return err
}

// addSigned makes a destination of what a wallet signed.
func (d *dialect) addSigned(c echo.Context, who caller, body []byte) (effect, error) {
	ctx := c.Request().Context()
	p, to, err := d.proved(ctx, who, body, actionAdd)
	if err != nil {
		return nil, err
	}
	kind, err := d.walletType(ctx, to.Chain, to.Wallet)
	if err != nil {
		return nil, err
	}
	put := d.putDestination(who, merchant.Destination{Merchant: who.Merchant, To: to, WalletType: kind}, false)
	return func(ctx context.Context) (reply, error) {
		if err := d.mayAdd(ctx, who, to); err != nil {
			return reply{}, err
		}
		if err := d.spend(ctx, p); err != nil {
			return reply{}, err
		}
		return put(ctx)
	}, nil
}

// removeSigned deactivates the destination of the path, which has to be the one
// that the wallet signed for.
func (d *dialect) removeSigned(c echo.Context, who caller, body []byte) (effect, error) {
	ctx := c.Request().Context()
	found, err := d.ownNamed(ctx, who, "destinationId", param(c, "destinationId"))
	if err != nil {
		return nil, err
	}
	if !found.Active {
		return nil, errDeactivation.At("destinationId")
	}
	p, to, err := d.proved(ctx, who, body, actionDeactivate)
	if f := fault.From(err); err != nil && f.Kind == fault.Invalid && (f.Code == errNonce.Code || f.Code == "invalid_signature") {
		return nil, errDeactivation.At(f.Field).Because(err)
	}
	if err != nil {
		return nil, err
	}
	if to != found.To {
		return nil, errDeactivation.At("nonce")
	}
	return func(ctx context.Context) (reply, error) {
		if err := d.spend(ctx, p); errors.Is(err, errNonce) {
			return reply{}, errDeactivation.At("nonce")
		} else if err != nil {
			return reply{}, err
		}
		if err := d.Accounts.DeactivateDestination(ctx, who.Merchant, found.ID); err != nil {
			return reply{}, err
		}
		gone := *found
		gone.Active = false
		return reply{status: http.StatusOK, body: newPayee(who, gone)}, nil
	}, nil
}
