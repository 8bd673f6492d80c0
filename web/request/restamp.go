package request

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web"
)

// maxStep is the largest body with a step: LI.FI's own are a few kilobytes.
const maxStep = 64 << 10

type restampBody struct {
	Step jsontext.Value `json:"step"`
}

// stepBody is what must be in a step; all else passes through.
type stepBody struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Tool   string `json:"tool"`
	Action struct {
		FromChainID asset.ChainID `json:"fromChainId"`
		ToChainID   *uint64       `json:"toChainId"`
		ToAddress   string        `json:"toAddress"`
		FromAddress string        `json:"fromAddress"`
	} `json:"action"`
}

type restampWire struct {
	TransactionRequest transactionWire `json:"transactionRequest"`

	// Additions: the documentation names no members at all.
	SourceAmount      string          `json:"sourceAmount"`
	SourceUnits       string          `json:"sourceUnits"`
	SourceCurrency    asset.ID        `json:"sourceCurrency"`
	QuoteExpiresAt    int64           `json:"quoteExpiresAt"`
	ExecutionDeadline int64           `json:"executionDeadline,omitempty"`
	RawStep           json.RawMessage `json:"rawStep"`
}

// transactionWire is a transaction as LI.FI writes it.
type transactionWire struct {
	To       string        `json:"to"`
	From     string        `json:"from"`
	Data     string        `json:"data"`
	Value    string        `json:"value"`
	ChainID  asset.ChainID `json:"chainId"`
	GasLimit string        `json:"gasLimit,omitempty"` // absent where nobody suggests one
}

// restamp answers with a route's transaction with fresh deadlines. It changes
// nothing and is never answered from memory: an old answer would be a stale one.
func (d *dialect) restamp(c echo.Context) error {
	who, err := d.authenticate(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	p, err := d.owned(ctx, who, c.Param("token"))
	if err != nil {
		return err
	}
	in, err := web.Read[restampBody](c, maxStep)
	if err != nil {
		return err
	}
	payer, on, err := stepPayer(in.Step)
	if err != nil {
		return err
	}
	if payer.Owner, err = ownerOf(c); err != nil {
		return err
	}
	stamped, err := d.stamp(ctx, p, payer, on, in.Step)
	if err != nil {
		return d.ended(c, p, checkout.Admission{}, ofOwner(payer, err))
	}
	token, ok := d.Checkout.Book().Token(stamped.Give.Asset)
	if !ok {
		return errAsset
	}
	w := restampWire{
		TransactionRequest: transactionWire{
			To: stamped.Call.To.String(), From: stamped.From.String(), Data: "0x" + hex.EncodeToString(stamped.Call.Data),
			Value: "0x" + stamped.Call.Value.Text(16), ChainID: stamped.Chain,
		},
		SourceAmount: money.Format(stamped.Give.Amount, token.Decimals), SourceUnits: stamped.Give.Amount.String(), SourceCurrency: token.ID,
		QuoteExpiresAt: stamped.ExpiresAt.Unix(), RawStep: stamped.Raw,
	}
	if stamped.Call.Gas > 0 {
		w.TransactionRequest.GasLimit = "0x" + strconv.FormatUint(stamped.Call.Gas, 16)
	}
	if !stamped.Deadline.IsZero() {
		w.ExecutionDeadline = stamped.Deadline.Unix()
	}
	return c.JSON(http.StatusOK, w)
}

// stamp has a step stamped anew for a wallet that may pay. A refused safety check
// is told to the merchant as the step's, which anybody can make: an alarm of the
// server's own is given once, and nobody may use it up.
func (d *dialect) stamp(ctx context.Context, p *payment.Payment, payer rail.Payer, on asset.ChainID, step []byte) (web.Stamped, error) {
	if err := d.Checkout.Payable(p); err != nil {
		return web.Stamped{}, err
	}
	admitted, err := d.Checkout.Admit(ctx, p, payer.Person())
	if err != nil {
		return web.Stamped{}, err
	}
	if err := admitted.Refusal(); err != nil {
		return web.Stamped{}, err
	}
	if d.Restamp == nil {
		return web.Stamped{}, errRoutingOff
	}
	if err := d.Checkout.OwnAccount(on, payer); err != nil {
		if f := fault.From(err); f.Field == "wallet" {
			return web.Stamped{}, f.At("step.action.fromAddress")
		}
		return web.Stamped{}, err
	}
	stamped, err := d.Restamp(ctx, p, payer.Owner, step)
	if f := fault.From(err); f != nil {
		if f.Code == rail.CodeUnsafe {
			if rerr := d.Checkout.Refused(ctx, p.ID, f.Field, "step", f.Public); rerr != nil {
				return web.Stamped{}, fmt.Errorf("record a refused check: %w", rerr)
			}
		}
		return web.Stamped{}, err
	}
	return stamped, nil
}

var errRoutingOff = fault.New(fault.Unavailable, "routing_off", "Paying from another network or with another token is switched off on this server.")

// stepPayer checks that a step has what a step must have, and returns who it is for and
// on which chain; zero if it does not say.
func stepPayer(step []byte) (rail.Payer, asset.ChainID, error) {
	bad := func(field string, cause error) error {
		return fault.Field(field, "invalid_step", "Route no longer available or invalid step").Because(cause)
	}
	if len(step) == 0 || string(step) == "null" {
		return rail.Payer{}, 0, bad("step", nil)
	}
	var s stepBody
	if err := web.Decode(step, &s); err != nil {
		at := "step"
		if f := fault.From(err); f.Field != "" {
			at += "." + f.Field
		}
		return rail.Payer{}, 0, bad(at, err)
	}
	for _, x := range []struct{ field, text string }{{"step.id", s.ID}, {"step.type", s.Type}, {"step.tool", s.Tool}} {
		if x.text == "" {
			return rail.Payer{}, 0, bad(x.field, nil)
		}
	}
	if s.Action.ToChainID == nil {
		return rail.Payer{}, 0, bad("step.action.toChainId", nil)
	}
	if _, err := asset.ParseAddress(s.Action.ToAddress); err != nil {
		return rail.Payer{}, 0, bad("step.action.toAddress", err)
	}
	if s.Action.FromAddress == "" {
		return rail.Payer{}, 0, nil
	}
	wallet, err := asset.ParseAddress(s.Action.FromAddress)
	if err != nil {
		return rail.Payer{}, 0, bad("step.action.fromAddress", err)
	}
	return rail.Payer{Wallet: wallet}, s.Action.FromChainID, nil
}
