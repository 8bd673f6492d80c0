package request

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

// payeeDestinations adds the routes by which merchants say where they are paid:
// with a signature of the wallet (v2), and with a session of it (v1).
func (d *dialect) payeeDestinations() {
	const v2, v1 = "/v2/payee-destination", "/v1/payee-destination"
	d.route(http.MethodGet, v2+"/signing-data", d.signingData)
	d.route(http.MethodPost, v2, d.once(d.fromPage, d.addSigned))
	d.route(http.MethodGet, v2, d.destinationOfWallet)
	d.route(http.MethodGet, v2+"/:destinationId", d.showDestination)
	d.route(http.MethodDelete, v2+"/:destinationId", d.once(d.fromPage, d.removeSigned))

	d.route(http.MethodPost, v1, d.once(d.signedIn, d.addOwn))
	d.route(http.MethodPut, v1, d.once(d.signedIn, d.moveOwn))
	d.route(http.MethodGet, v1, d.ownDestinations)
	d.route(http.MethodGet, v1+"/lookup", d.lookupDestination)
	d.route(http.MethodGet, v1+"/payout-lookup", d.lookupWallet)
	d.route(http.MethodPatch, v1+"/deactivate", d.once(d.signedIn, d.deactivateOwn))
	d.route(http.MethodPatch, v1+"/wallet-change/cancel", d.once(d.signedIn, d.cancelWalletChange))
}

// fromPage is authenticate for what changes something: a page has to say where
// it comes from.
func (d *dialect) fromPage(c echo.Context) (caller, error) { return d.identify(c, true) }

// payeeWire is a payee destination.
type payeeWire struct {
	ID                          string        `json:"id"`
	DestinationID               string        `json:"destinationId"`
	WalletAddress               string        `json:"walletAddress"`
	WalletType                  string        `json:"walletType"`
	TokenAddress                string        `json:"tokenAddress"`
	ChainID                     asset.ChainID `json:"chainId"`
	BinaryInteropAddress        string        `json:"binaryInteropAddress"`
	HumanReadableInteropAddress string        `json:"humanReadableInteropAddress"`
	// Claimed is always true: nothing is stored without the wallet's or the
	// operator's word.
	Claimed      bool        `json:"claimed"`
	Active       bool        `json:"active"`
	CreatedAt    string      `json:"createdAt"`
	AccessPolicy *accessWire `json:"accessPolicy"`
	// PendingWalletChange is always null: a change of wallet is another destination.
	PendingWalletChange *struct{} `json:"pendingWalletChange"`
}

// newPayee words a destination. Who may pay to it is not for those who only have
// a client id, which is public.
func newPayee(who caller, x merchant.Destination) payeeWire {
	w := payeeWire{
		ID: x.ID, DestinationID: x.To.String(), WalletAddress: x.To.Wallet.String(), WalletType: string(x.WalletType),
		TokenAddress: x.To.Token.String(), ChainID: x.To.Chain, BinaryInteropAddress: asset.InteropBinary(x.To.Chain, x.To.Wallet),
		HumanReadableInteropAddress: x.To.Interop(), Claimed: true, Active: x.Active, CreatedAt: timestamp(x.CreatedAt),
	}
	if x.Access != nil && who.clientID == "" {
		policy := newAccess(*x.Access)
		w.AccessPolicy = &policy
	}
	return w
}

var errNoDestination = fault.New(fault.NotFound, "destination_not_found", "Destination not found")

// named finds a destination by what callers call it: the destination id, its
// older form "network:wallet:token", or our own id. Of several that have been
// there the active one counts, then the newest; nil if there is none.
//
// Faults: Invalid if the text is none of these.
func (d *dialect) named(field, text string, among []merchant.Destination) (*merchant.Destination, error) {
	if id, ok := payment.ParseID(text); ok {
		i := slices.IndexFunc(among, func(x merchant.Destination) bool { return x.ID == string(id) })
		if i < 0 {
			return nil, nil
		}
		return &among[i], nil
	}
	to, err := d.parseDestination(field, text)
	if err != nil {
		return nil, err
	}
	return newest(among, func(x merchant.Destination) bool { return x.To == to }), nil
}

func (d *dialect) parseDestination(field, text string) (asset.Destination, error) {
	if parts := strings.Split(text, ":"); len(parts) == 3 && !strings.Contains(text, "@") {
		chain, ok := d.Checkout.Book().Network(parts[0])
		wallet, err := asset.ParseAddress(parts[1])
		token, terr := asset.ParseAddress(parts[2])
		if !ok || err != nil || terr != nil {
			return asset.Destination{}, fault.Field(field, "invalid_destination", "Invalid destination ID format")
		}
		return asset.Destination{Wallet: wallet, Chain: chain.ID, Token: token}, nil
	}
	wallet, token, err := d.destination(field, text)
	return asset.Destination{Wallet: wallet, Chain: token.Chain, Token: token.Address}, err
}

// newest finds the active destination that fits, or else the last that did.
func newest(among []merchant.Destination, fits func(merchant.Destination) bool) *merchant.Destination {
	var found *merchant.Destination
	for i := range among {
		if x := &among[i]; fits(*x) && (x.Active || found == nil || !found.Active) {
			found = x
		}
	}
	return found
}

func (d *dialect) showDestination(c echo.Context) error {
	who, err := d.authenticate(c)
	if err != nil {
		return err
	}
	found, err := d.ownNamed(c.Request().Context(), who, "destinationId", param(c, "destinationId"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, newPayee(who, *found))
}

// ownNamed finds one of the caller's destinations, active or not.
func (d *dialect) ownNamed(ctx context.Context, who caller, field, text string) (*merchant.Destination, error) {
	all, err := d.Accounts.Destinations(ctx, who.Merchant)
	if err != nil {
		return nil, err
	}
	found, err := d.named(field, text, all)
	if err == nil && found == nil {
		err = errNoDestination
	}
	return found, err
}

// destinationOfWallet answers with a wallet's active destination, or null.
func (d *dialect) destinationOfWallet(c echo.Context) error {
	who, err := d.authenticate(c)
	if err != nil {
		return err
	}
	wallet, err := addressQuery(c, "walletAddress")
	if err != nil {
		return err
	}
	return d.activeOf(c, who, wallet)
}

func (d *dialect) activeOf(c echo.Context, who caller, wallet asset.Address) error {
	active, err := d.Accounts.ActiveDestinations(c.Request().Context(), who.Merchant)
	if err != nil {
		return err
	}
	var chain asset.ChainID
	if c.QueryParam("chainId") != "" {
		if chain, err = d.chainQuery(c); err != nil {
			return err
		}
	}
	found := newest(active, func(x merchant.Destination) bool { return x.To.Wallet == wallet && (chain == 0 || x.To.Chain == chain) })
	if found == nil {
		return c.JSON(http.StatusOK, nil)
	}
	return c.JSON(http.StatusOK, newPayee(who, *found))
}

// addressQuery reads an account in the query.
func addressQuery(c echo.Context, name string) (asset.Address, error) {
	text := c.QueryParam(name)
	if text == "" {
		return asset.Address{}, fault.Field(name, "missing_address", name+" is required.")
	}
	return addressField(name, text)
}

func addressField(name, text string) (asset.Address, error) {
	if tronAddress(text) {
		return asset.Address{}, fault.Field(name, "tron_unsupported", name+" is a Tron address: payments on Tron are not supported here.")
	}
	a, err := asset.ParseAddress(text)
	if err != nil {
		return a, fault.Field(name, "invalid_address", name+" is "+err.Error()+".")
	}
	return a, nil
}

// chainQuery reads a supported chain's id in the query.
func (d *dialect) chainQuery(c echo.Context) (asset.ChainID, error) {
	n, err := strconv.ParseUint(c.QueryParam("chainId"), 10, 63)
	if err != nil {
		return 0, fault.Field("chainId", "invalid_chain", "chainId is required and must be a chain's number, like 8453.")
	}
	return d.chainField(asset.ChainID(n))
}

func (d *dialect) chainField(id asset.ChainID) (asset.ChainID, error) {
	if _, ok := d.Checkout.Book().Chain(id); !ok {
		return 0, fault.Field("chainId", "unsupported_chain", "Chain "+strconv.FormatUint(uint64(id), 10)+" is not supported here.")
	}
	return id, nil
}

// walletType asks a chain what kind of account a wallet is. A delegation
// (EIP-7702) does not make a contract of an account that has a key.
//
// Faults: Unavailable if the chain does not answer.
func (d *dialect) walletType(ctx context.Context, chain asset.ChainID, wallet asset.Address) (merchant.WalletType, error) {
	codes, err := d.Codes(ctx, chain, []asset.Address{wallet})
	if err != nil {
		return "", siwe.Unavailable(err)
	}
	code := string(codes[0])
	if code == "" || (len(code) == 23 && strings.HasPrefix(code, "\xef\x01\x00")) {
		return merchant.EOA, nil
	}
	return merchant.Contract, nil
}

// destinationBody says where a signed-in wallet wants to be paid.
type destinationBody struct {
	WalletAddress *string              `json:"walletAddress"`
	TokenAddress  *string              `json:"tokenAddress"`
	ChainID       *uint64              `json:"chainId"`
	AccessPolicy  nullable[accessBody] `json:"accessPolicy"`
	DestinationID *string              `json:"destinationId"`
}

// target reads where payments shall go, for the wallet that signed in.
func (d *dialect) target(who caller, in destinationBody) (asset.Destination, error) {
	to := asset.Destination{Wallet: who.wallet}
	if in.WalletAddress != nil {
		wallet, err := addressField("walletAddress", *in.WalletAddress)
		if err != nil {
			return to, err
		}
		if wallet != who.wallet {
			return to, fault.New(fault.Forbidden, "other_wallet", "walletAddress must be the wallet that signed in: only its owner can say that payments go there.").At("walletAddress")
		}
	}
	switch {
	case in.TokenAddress == nil:
		return to, fault.Field("tokenAddress", "missing_token", "tokenAddress is required.")
	case in.ChainID == nil:
		return to, fault.Field("chainId", "missing_chain", "chainId is required.")
	}
	return d.tokenOf(to, *in.TokenAddress, asset.ChainID(*in.ChainID))
}

// tokenOf completes a destination with a token that is supported on its chain.
func (d *dialect) tokenOf(to asset.Destination, text string, chain asset.ChainID) (asset.Destination, error) {
	var err error
	if to.Chain, err = d.chainField(chain); err != nil {
		return to, err
	}
	if to.Token, err = addressField("tokenAddress", text); err != nil {
		return to, err
	}
	_, err = d.tokenAt("tokenAddress", to.Chain, to.Token)
	return to, err
}

// addOwn makes a destination of the wallet that signed in. It replaces the active
// one of the wallet on that chain; the same one stays, with the policy it is
// given now.
func (d *dialect) addOwn(c echo.Context, who caller, body []byte) (effect, error) {
	made, setPolicy, err := d.ownTarget(c.Request().Context(), who, body)
	if err != nil {
		return nil, err
	}
	return d.putDestination(who, made, setPolicy), nil
}

// putDestination stores a destination, or gives the active one that is the same
// already the policy, if there was a word about it.
func (d *dialect) putDestination(who caller, made merchant.Destination, setPolicy bool) effect {
	now := time.Now().UTC()
	made.ID, made.Active, made.CreatedAt = payment.NewULID(now), true, now
	return func(ctx context.Context) (reply, error) {
		active, err := d.Accounts.ActiveDestinations(ctx, made.Merchant)
		if err != nil {
			return reply{}, err
		}
		there := newest(active, func(x merchant.Destination) bool { return x.To == made.To })
		switch {
		case there == nil:
			err = d.Accounts.InsertDestination(ctx, made)
			there = &made
		case setPolicy:
			there.Access, there.WalletType = made.Access, made.WalletType
			err = d.Accounts.MoveDestination(ctx, *there)
		}
		return reply{status: http.StatusCreated, body: newPayee(who, *there)}, err
	}
}

// policy reads a destination's own policy; nil leaves it to the merchant's.
func (d *dialect) policy(ctx context.Context, who caller, in nullable[accessBody]) (*payment.Access, error) {
	if in.value == nil {
		return nil, nil
	}
	m, err := d.Directory.Merchant(ctx, who.Merchant)
	if err != nil {
		return nil, err
	}
	policy, err := d.parseAccess("accessPolicy", in.value, m.Access)
	return &policy, err
}

var errNoneActive = fault.New(fault.NotFound, "destination_not_found", "No active payee destination found")

// moveOwn gives the active destination of the wallet that signed in another token
// or chain. It keeps its id, and client ids that are bound to it stay bound.
func (d *dialect) moveOwn(c echo.Context, who caller, body []byte) (effect, error) {
	want, setPolicy, err := d.ownTarget(c.Request().Context(), who, body)
	if err != nil {
		return nil, err
	}
	to := want.To
	return func(ctx context.Context) (reply, error) {
		active, err := d.Accounts.ActiveDestinations(ctx, who.Merchant)
		if err != nil {
			return reply{}, err
		}
		// The one on that chain, if there is one; otherwise the wallet's newest.
		moved := newest(active, func(x merchant.Destination) bool { return x.To.Wallet == to.Wallet && x.To.Chain == to.Chain })
		if moved == nil {
			moved = newest(active, func(x merchant.Destination) bool { return x.To.Wallet == to.Wallet })
		}
		if moved == nil {
			return reply{}, errNoneActive
		}
		moved.To, moved.WalletType = to, want.WalletType
		if setPolicy {
			moved.Access = want.Access
		}
		return reply{status: http.StatusOK, body: newPayee(who, *moved)}, d.Accounts.MoveDestination(ctx, *moved)
	}, nil
}

// ownTarget reads where the wallet that signed in wants to be paid. setPolicy
// tells whether there was a word about the access policy.
func (d *dialect) ownTarget(ctx context.Context, who caller, body []byte) (want merchant.Destination, setPolicy bool, err error) {
	var in destinationBody
	if err := web.Decode(body, &in); err != nil {
		return want, false, err
	}
	want.Merchant = who.Merchant
	if want.To, err = d.target(who, in); err != nil {
		return want, false, err
	}
	if want.Access, err = d.policy(ctx, who, in.AccessPolicy); err != nil {
		return want, false, err
	}
	want.WalletType, err = d.walletType(ctx, want.To.Chain, want.To.Wallet)
	return want, in.AccessPolicy.set, err
}

// ownDestinations answers with the active destination of the wallet that signed
// in, or null.
func (d *dialect) ownDestinations(c echo.Context) error {
	who, err := d.signedIn(c)
	if err != nil {
		return err
	}
	return d.activeOf(c, who, who.wallet)
}

// lookupDestination finds one of the merchant's destinations by its id.
func (d *dialect) lookupDestination(c echo.Context) error {
	who, err := d.signedIn(c)
	if err != nil {
		return err
	}
	text := c.QueryParam("destinationId")
	if text == "" {
		return fault.Field("destinationId", "missing_destination", "destinationId is required.")
	}
	found, err := d.ownNamed(c.Request().Context(), who, "destinationId", text)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, newPayee(who, *found))
}

// lookupWallet finds the active destination that the merchant has for a wallet,
// such as a recipient of its payouts; null if there is none.
func (d *dialect) lookupWallet(c echo.Context) error {
	who, err := d.signedIn(c)
	if err != nil {
		return err
	}
	wallet, err := addressQuery(c, "walletAddress")
	if err != nil {
		return err
	}
	return d.activeOf(c, who, wallet)
}

type deactivatedWire struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// deactivateOwn ends one of the merchant's destinations.
func (d *dialect) deactivateOwn(c echo.Context, who caller, body []byte) (effect, error) {
	var in destinationBody
	if err := web.Decode(body, &in); err != nil {
		return nil, err
	}
	if in.DestinationID == nil {
		return nil, fault.Field("destinationId", "missing_destination", "destinationId is required.")
	}
	return func(ctx context.Context) (reply, error) {
		found, err := d.ownNamed(ctx, who, "destinationId", *in.DestinationID)
		if errors.Is(err, errNoDestination) || (err == nil && !found.Active) {
			return reply{}, errNoneActive
		}
		if err != nil {
			return reply{}, err
		}
		w := deactivatedWire{Success: true, Message: "Payee destination deactivated successfully"}
		return reply{status: http.StatusOK, body: w}, d.Accounts.DeactivateDestination(ctx, who.Merchant, found.ID)
	}, nil
}

// cancelWalletChange finds nothing to cancel: a wallet is never changed in place
// here, so no change can be pending.
func (d *dialect) cancelWalletChange(echo.Context, caller, []byte) (effect, error) {
	return nil, fault.New(fault.NotFound, "no_wallet_change", "No pending wallet change found")
}
