//go:build !nosandbox

package app_test

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"quittance/internal/hdkey"
	"quittance/internal/sweep/keyfile"
)

type depositPayment struct {
	ID             string
	Status         string
	OrderID        string
	DepositAddress struct{ Address string }
	Quotes         []struct {
		ExpectedAmountAsset, RateUsdAsset string
		Token                             struct{ Symbol string }
	}
	Receipt *struct{ SettledAmountUSD string }
}

const paymentsPath = "/v1/external/secretkey-auth/payments"

// inDollars makes a payment of a dollar as the documentation's example does.
func (d *demo) inDollars() (p depositPayment, status int, code string) {
	d.t.Helper()
	var made struct {
		Payment depositPayment
		Error   struct{ Code string }
	}
	status = d.ask(http.MethodPost, d.BaseURL+paymentsPath, object{
		"orderId": "order_123", "amount": 100, "currency": "USD", "redirectUrl": "https://merchant.example.com/checkout/success",
		"customMetadata": `{"cartId":"abc123","promo":"SUMMER24"}`,
	}, &made)
	return made.Payment, status, made.Error.Code
}

func (d *demo) deposit(id string) (p depositPayment) {
	d.t.Helper()
	if status := d.ask(http.MethodGet, d.BaseURL+paymentsPath+"/"+id, nil, &p); status != http.StatusOK {
		d.t.Fatalf("payment %s: status %d", id, status)
	}
	return p
}

func (d *demo) awaitDeposit(id, status string) depositPayment {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p := d.deposit(id)
		if p.Status == status {
			return p
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("payment %s is %s, not %s", id, p.Status, status)
		}
	}
}

// The seeded payment waits for 25 dollars, and money that an exchange's contract sends to
// whom its storage names pays it.
func TestTheDemosPaymentAtAQuote(t *testing.T) {
	d := startDemo(t, "")
	link, err := url.Parse(d.Samples.Deposit)
	if err != nil || !strings.HasPrefix(d.Samples.Deposit, d.BaseURL+"/payment/") {
		t.Fatalf("link %q, %v", d.Samples.Deposit, err)
	}
	p := d.deposit(path.Base(link.Path))
	if p.Status != "pending" || len(p.Quotes) != 1 || p.Quotes[0].ExpectedAmountAsset != "6680823708011624" || p.Quotes[0].RateUsdAsset != "3742.05353900" || p.Quotes[0].Token.Symbol != "ETH" {
		t.Fatalf("made %+v", p)
	}
	var sent struct{ TxHash string }
	if status := d.ask(http.MethodPost, d.Sandbox.ExchangeURL+"/base", object{"to": p.DepositAddress.Address, "asset": "ETH", "amount": "0.006680823708011624", "how": "stored"}, &sent); status != http.StatusOK || len(sent.TxHash) != 66 {
		t.Fatalf("the exchange: status %d %+v", status, sent)
	}
	if paid := d.awaitDeposit(p.ID, "completed"); paid.Receipt == nil || paid.Receipt.SettledAmountUSD != "25.00" {
		t.Errorf("paid as %+v", paid)
	}
}

// The printed key is the one whose addresses the server gives out.
func TestTheDemosDepositKey(t *testing.T) {
	d := startDemo(t, "")
	p, status, _ := d.inDollars()
	if status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	sealed, err := keyfile.Seal(d.Merchant.Deposit.XPrv, "p", keyfile.Strength{N: 2, P: 1})
	if err != nil {
		t.Fatal(err)
	}
	account, err := keyfile.Open(sealed, "p")
	if err != nil {
		t.Fatal(err)
	}
	branch, err := hdkey.OpenBranch(d.Merchant.Deposit.XPub)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := account.Address(2) // the seeded payment has the first, the seeded link the second
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := branch.Address(2)
	if err != nil || mine != theirs || mine.Lower() != p.DepositAddress.Address || d.Merchant.Deposit.Path != "m/44'/60'/0'" {
		t.Errorf("the private key gives %s, the public one %s, the server %s, %v", mine, theirs, p.DepositAddress.Address, err)
	}
}

// A price that is old, jumps, is absurd or missing, from whichever source: no payment is
// made by it, and one is when all is well again.
func TestTheDemosPrices(t *testing.T) {
	d := startDemo(t, "")
	well := func(after string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, status, code := d.inDollars()
			if status == http.StatusCreated {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %s: status %d %s", after, status, code)
			}
		}
	}
	for _, x := range []struct {
		name, url string
		all       string // the second chain's control, for what must hold there too
		body      object
	}{
		{"feeds of yesterday", d.Sandbox.FeedsURL + "/base", d.Sandbox.FeedsURL + "/arbitrum-one", object{"stale": "24h"}},
		{"feeds that jump", d.Sandbox.FeedsURL + "/base", d.Sandbox.FeedsURL + "/arbitrum-one", object{"jump": 30}},
		{"a price API that lies", d.Sandbox.PricesURL, "", object{"jump": -30}},
	} {
		well("the start or what was before " + x.name)
		d.command(x.url, x.body)
		if x.all != "" {
			d.command(x.all, x.body)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, status, code := d.inDollars()
			if status == http.StatusServiceUnavailable && code == "price_unavailable" {
				break
			}
			if status != http.StatusCreated || time.Now().After(deadline) { // what was asked a moment before may still count
				t.Fatalf("%s: status %d %s", x.name, status, code)
			}
		}
		d.command(x.url, object{})
		if x.all != "" {
			d.command(x.all, object{})
		}
	}
	well("all of it")
}

// Over a restart, payments, their addresses, the key and what was paid stay, and no
// address is given out twice.
func TestTheDemosDepositsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, dir)
	paid, _, _ := first.inDollars()
	open, _, _ := first.inDollars()
	pay := func(d *demo, p depositPayment) {
		t.Helper()
		if status := d.ask(http.MethodPost, d.Sandbox.ExchangeURL+"/base", object{"to": p.DepositAddress.Address, "asset": "USDC", "amount": "1.00016", "how": "contract"}, nil); status != http.StatusOK {
			t.Fatalf("the exchange: status %d", status)
		}
		d.awaitDeposit(p.ID, "completed")
	}
	pay(first, paid)
	first.stop()
	second := startDemo(t, dir)
	if p := second.deposit(paid.ID); p.Status != "completed" || p.DepositAddress != paid.DepositAddress {
		t.Errorf("after the restart %+v", p)
	}
	pay(second, second.deposit(open.ID))
	another, status, _ := second.inDollars()
	if a := another.DepositAddress.Address; status != http.StatusCreated || a == paid.DepositAddress.Address || a == open.DepositAddress.Address {
		t.Errorf("status %d, address %s after %s and %s", status, a, paid.DepositAddress.Address, open.DepositAddress.Address)
	}
}
