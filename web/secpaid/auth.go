package secpaid

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web"
)

// HeaderToken is the header of requests that says who calls.
const HeaderToken = "token"

// merchant finds the merchant behind a request's token, and counts the call. An address
// that keeps presenting what is refused has to wait, whatever it presents next.
//
// Faults: Unauthorized "missing_token", "unknown_token"; Limited.
func (d *dialect) merchant(c echo.Context) (payment.MerchantID, error) {
	if err := d.Limits.Guessing(c); err != nil {
		return "", err
	}
	tokens := c.Request().Header[http.CanonicalHeaderKey(HeaderToken)]
	if len(tokens) == 0 || len(tokens) == 1 && tokens[0] == "" {
		return "", errNoToken
	}
	if len(tokens) > 1 {
		d.Limits.Guessed(c)
		return "", errToken
	}
	who, err := d.Directory.Authenticate(c.Request().Context(), merchant.SecPaidToken, tokens[0])
	if fault.Is(err, fault.Unauthorized) {
		d.Limits.Guessed(c)
		return "", errToken
	}
	if err != nil {
		return "", err
	}
	return who.Merchant, d.Limits.Take(c, d.Limits.Links, "link", who.ID)
}

// account is what a merchant has set for links.
func (d *dialect) account(ctx context.Context, m payment.MerchantID) (account, error) {
	set, err := d.Accounts.LinkSettings(ctx, m)
	if err != nil {
		return account{}, err
	}
	a := account{
		Merchant: m, Callbacks: set.Callbacks, Endpoints: set.Endpoints, Default: set.Default,
		Encrypted: set.Encrypted, EncryptionKey: set.EncryptionKey, ServiceFee: set.ServiceFee,
	}
	a.Bank, err = d.Accounts.BankAccount(ctx, m)
	if a.Transfers = err == nil; fault.Is(err, fault.NotFound) {
		err = nil
	}
	return a, err
}

// recipient finds the merchant that a recipient's token names, which may be the user_id too:
// whoever shares with somebody need not have that one's secret.
func (d *dialect) recipient(ctx context.Context, token string) (payment.MerchantID, bool, error) {
	if web.IsUUID(token) {
		return d.users.find(ctx, d.Accounts, token, d.Now())
	}
	who, err := d.Directory.Authenticate(ctx, merchant.SecPaidToken, token)
	if fault.Is(err, fault.Unauthorized) {
		return "", false, nil
	}
	return who.Merchant, err == nil, err
}

// users are merchants by their user_id, which cannot be computed backwards.
type users struct {
	mu   sync.Mutex
	byID map[string]payment.MerchantID
	read time.Time
}

// usersKept is how often merchants are read at most: one that was just made is found that
// much later at the latest.
const usersKept = time.Second

func (u *users) find(ctx context.Context, all Accounts, id string, now time.Time) (payment.MerchantID, bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if m, ok := u.byID[id]; ok || now.Sub(u.read) < usersKept {
		return m, ok, nil
	}
	ms, err := all.Merchants(ctx)
	if err != nil {
		return "", false, err
	}
	u.byID, u.read = make(map[string]payment.MerchantID, len(ms)), now
	for _, m := range ms {
		u.byID[userID(m.ID)] = m.ID
	}
	m, ok := u.byID[id]
	return m, ok, nil
}
