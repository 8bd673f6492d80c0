package spacepay

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/web"
)

// What whoever holds one payment's secret does with it.

type statusWire struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// look answers with all of a payment.
func (d *dialect) look(c echo.Context) error {
	p, err := d.opened(c)
	if err != nil {
		return err
	}
	return d.tell(c, p)
}

// status answers with where a payment stands, to those who ask again and again.
func (d *dialect) status(c echo.Context) error {
	p, err := d.opened(c)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, statusWire{ID: p.Terms.Alias, Status: statusOf(p)})
}

// active answers with the quotes that a payment can be paid by now.
func (d *dialect) active(c echo.Context) error {
	p, err := d.opened(c)
	if err != nil {
		return err
	}
	out, err := d.quotes(p, d.Now(), true)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, out)
}

type quoteBody struct {
	ContractAddress *string `json:"contractAddress"`
	ChainID         *uint64 `json:"chainId"`
}

// requote makes a quote for what is missing, of the asset that is asked for or of the
// merchant's own. One that was made just now is given again.
func (d *dialect) requote(c echo.Context) error {
	p, err := d.opened(c)
	if err != nil {
		return err
	}
	in, err := optional[quoteBody](c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	branch, _, err := d.payee(ctx, p.Terms.Merchant)
	if err != nil {
		return err
	}
	of, err := d.wanted(in, d.first(branch))
	if err != nil {
		return err
	}
	p, q, err := d.Checkout.Quote(ctx, p.ID, of, true)
	if err != nil {
		return pending(err)
	}
	wire, err := d.quote(p, q, quoteActive)
	if err != nil {
		return err
	}
	return answer(c, http.StatusCreated, wire)
}

// optional reads a JSON body that need not be there.
func optional[T any](c echo.Context) (in T, err error) {
	if c.Request().ContentLength == 0 {
		return in, nil
	}
	return web.Read[T](c, maxBody)
}

// pending puts the faults of a payment that cannot be paid any more into this API's words.
func pending(err error) error {
	if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Conflict) {
		return errPending.Because(err)
	}
	return err
}

// native is the address by which later versions of the API name native currencies.
const native = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

// wanted finds the asset that a quote is asked for in, otherwise if none is named. An
// address alone names the first chain's that has it, a chain alone its first asset.
//
// Faults: Invalid "unknown_token", "unknown_chain".
func (d *dialect) wanted(in quoteBody, otherwise asset.ID) (asset.ID, error) {
	if in.ContractAddress == nil && in.ChainID == nil {
		return otherwise, nil
	}
	known := in.ChainID == nil
	for _, l := range d.enabled {
		if in.ChainID != nil && uint64(l.Chain.ID) != *in.ChainID {
			continue
		}
		known = true
		if in.ContractAddress == nil || strings.EqualFold(l.Token.Address.String(), *in.ContractAddress) ||
			l.Token.Native && strings.EqualFold(native, *in.ContractAddress) {
			return l.Token.ID, nil
		}
	}
	if !known {
		return "", fault.Field("chainId", "unknown_chain", "Payments cannot be made on this chain")
	}
	return "", fault.Field("contractAddress", "unknown_token", "Payments cannot be made in this token")
}

type refreshBody struct {
	TransactionHash      *string `json:"transactionHash"`
	ChainID              *uint64 `json:"chainId"`
	TokenContractAddress *string `json:"tokenContractAddress"`
}

// refreshPatience is how long an answer waits for what a chain shows.
const refreshPatience = 2 * time.Second

// refresh has the chains looked at, at once. Who names a transaction waits a moment for
// what comes of it. What the chains show is what counts, and nothing that is said here.
func (d *dialect) refresh(c echo.Context) error {
	p, err := d.opened(c)
	if err != nil {
		return err
	}
	in, err := optional[refreshBody](c)
	if err != nil {
		return err
	}
	if in.TransactionHash != nil && !isHash(*in.TransactionHash) {
		return fault.Field("transactionHash", "invalid_transaction_hash", "The transactionHash must be 0x and 64 hexadecimal digits")
	}
	var at asset.ChainID
	if in.ChainID != nil || in.TokenContractAddress != nil {
		of, err := d.wanted(quoteBody{in.TokenContractAddress, in.ChainID}, "")
		if f := fault.From(err); err != nil && f.Field == "contractAddress" {
			err = f.At("tokenContractAddress")
		}
		if err != nil {
			return err
		}
		l, err := d.asset(of)
		if err != nil {
			return err
		}
		at = l.Chain.ID
	}
	if before := statusOf(p); before == statusPending || before == statusProcessing {
		changed, done := d.Subscribe(p.ID)
		defer done()
		asked := map[asset.ChainID]bool{}
		for _, l := range d.enabled {
			if (at == 0 || l.Chain.ID == at) && !asked[l.Chain.ID] {
				asked[l.Chain.ID] = true
				d.Nudge(l.Chain.ID)
			}
		}
		if in.TransactionHash != nil {
			wait(c, changed)
		}
		if p, err = d.find(c, p.Terms.Alias); err != nil {
			return err
		}
	}
	return answer(c, http.StatusOK, statusWire{ID: p.Terms.Alias, Status: statusOf(p)})
}

func wait(c echo.Context, changed <-chan struct{}) {
	patience := time.NewTimer(refreshPatience)
	defer patience.Stop()
	select {
	case <-changed:
	case <-patience.C:
	case <-c.Request().Context().Done():
	}
}

func isHash(s string) bool {
	return len(s) == 66 && s[:2] == "0x" && !strings.ContainsFunc(s[2:], func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F')
	})
}
