package pay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web"
)

// actions are the page's words for what it tells of.
var actions = map[string]string{
	"wallet_connected": checkout.UserConnected, "payment_sent_to_wallet": checkout.UserSent, "payment_approved_in_wallet": checkout.UserApproved,
}

type userEventBody struct {
	Action     string `json:"action"`
	Wallet     string `json:"wallet"`
	OccurredAt string `json:"occurredAt"`
}

// userEvent takes the page's word for what the payer did, for the merchant's
// statistics. The wallet goes no further than here.
func (p *hosted) userEvent(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	in, err := web.Read[userEventBody](c, 1<<10)
	if err != nil {
		return err
	}
	wallet, err := asset.ParseAddress(in.Wallet)
	if err != nil {
		return fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address.").Because(err)
	}
	occurred, err := time.Parse(time.RFC3339Nano, in.OccurredAt)
	if err != nil {
		occurred = time.Time{} // the server's own time then
	}
	if err := p.Checkout.UserEvent(c.Request().Context(), pm.ID, actions[in.Action], p.walletHash(pm.ID, wallet), occurred); err != nil {
		return err
	}
	return web.NoContent(c)
}

// walletHash stands for a wallet within one payment: it cannot be turned back
// without the server's key, nor compared between payments.
func (p *hosted) walletHash(id payment.ID, wallet asset.Address) string {
	return p.keyed("wallet", string(id), wallet.Lower())
}

// keyed is an HMAC of parts, none of which has a colon.
func (p *hosted) keyed(parts ...string) string {
	h := hmac.New(sha256.New, p.HashKey)
	_, _ = h.Write([]byte(strings.Join(parts, ":"))) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}
