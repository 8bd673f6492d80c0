package spacepay_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

const (
	backend = "/v1/external/secretkey-auth/payments"
	client  = "/v1/external/payment-secret-auth/payments/"
	order   = `{"orderId":"order_123","amount":100,"currency":"USD","redirectUrl":"https://merchant.example.com/checkout/success","customMetadata":"{\"cartId\":\"abc123\",\"promo\":\"SUMMER24\"}"}`
)

// shop is a running server and what its tests do again and again.
type shop struct {
	*webtest.World
	t *testing.T
}

func open(t *testing.T, d webtest.Deposits) shop {
	t.Helper()
	return shop{webtest.NewWith(t, webtest.Options{Deposits: &d}), t}
}

// wire are the members of a payment that tests look at.
type wire struct {
	ID, Status, OrderID string
	MerchantShortName   string
	AmountInCents       int64
	UpdatedAt, Type     *string
	DepositAddress      struct{ ID, PaymentID, Address string }
	Quotes              []quote
	Receipt             *receipt
}

type quote struct {
	ID, PaymentID, Status, ExpectedAmountAsset, RateUSDAsset string
	ChainID                                                  uint64
	Token                                                    struct{ ID, Symbol, ContractAddress string }
	CreatedAt, ExpiresAt                                     time.Time
}

type receipt struct {
	TransactionHash, CompletedAt, TxSenderAddress *string
	SettledAmountAsset, SettledAmountUSD          string
	Confirmations, RequiredConfirmations          int
}

// made is a payment and what opens it.
type made struct {
	Payment               wire
	PaymentURL, PaymentID string
	Secret                string
}

func (m made) with() string { return spacepay.HeaderPaymentSecret + ": " + m.Secret }

func read[T any](t *testing.T, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return v
}

func (s shop) create(body string, headers ...string) made {
	s.t.Helper()
	return read[made](s.t, s.SpacePay(http.MethodPost, backend, body, headers...).Want(http.StatusCreated).Body)
}

// cents is a creation's body for an amount.
func cents(n string) string { return `{"orderId":"o","amount":` + n + `,"currency":"USD"}` }

func (s shop) show(id string) wire {
	s.t.Helper()
	return read[wire](s.t, s.SpacePay(http.MethodGet, backend+"/"+id, "").Want(http.StatusOK).Body)
}

// await polls until a payment has a status.
func (s shop) await(id, status string) wire {
	s.t.Helper()
	var w wire
	s.Await(status, func() bool {
		w = s.show(id)
		return w.Status == status
	})
	return w
}

// send has somebody send percent of a payment's first quote, in a block of its own.
func (s shop) send(m made, percent int64) (txHash string) {
	s.t.Helper()
	units, ok := new(big.Int).SetString(m.Payment.Quotes[0].ExpectedAmountAsset, 10)
	if !ok {
		s.t.Fatalf("%+v", m.Payment.Quotes[0])
	}
	units.Mul(units, big.NewInt(percent))
	units.Add(units, big.NewInt(99)).Quo(units, big.NewInt(100))
	txHash = s.Chain.Send(m.Payment.DepositAddress.Address, units, nil)
	s.Chain.Mine(1)
	return txHash
}

// refused is what an error says.
type refused struct {
	Error struct{ Type, Message, Code, Param string }
}

// refuses fails the test unless an answer is an error of this API.
func refuses(t *testing.T, r webtest.Response, status int, kind, code, param string) {
	t.Helper()
	got := read[refused](t, r.Want(status).Body).Error
	if got.Type != kind || got.Code != code || got.Param != param || got.Message == "" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// another makes a merchant with keys for this API and for the other one.
func (s shop) another(name string) (id payment.MerchantID, key string) {
	s.t.Helper()
	who, err := s.App.Directory.Authenticate(s.t.Context(), merchant.APIKey, s.AddMerchant(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return who.Merchant, s.AddSpacePayKey(who.Merchant)
}

func secretKey(key string) string { return spacepay.HeaderSecretKey + ": " + key }

// unknown is the id of no payment.
const unknown = "00000000-0000-4000-8000-000000000000"
