package spacepay_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"quittance/web/webtest"
)

// The documentation's request gets the documentation's answer, byte by byte: but for ids,
// times, names and the amount, which is ours.
func TestTheDocumentedRequest(t *testing.T) {
	s := open(t, webtest.Deposits{})
	r := s.SpacePay(http.MethodPost, backend, order, "Idempotency-Key: unique-key-for-request").Want(http.StatusCreated)
	documented, err := os.ReadFile("testdata/created.201.json")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, documented); err != nil {
		t.Fatal(err)
	}
	type times struct {
		Payment struct {
			MerchantID, CreatedAt string
			DepositAddress        struct{ CreatedAt string }
			Quotes                []struct{ CreatedAt, ExpiresAt string }
		}
	}
	got, at := read[made](t, r.Body), read[times](t, r.Body).Payment
	// The address is as old as its payment: told apart by its place.
	told := strings.Replace(string(r.Body), `"createdAt":"`+at.DepositAddress.CreatedAt+`"},"quotes"`, `"createdAt":"2025-10-10T21:44:06.749Z"},"quotes"`, 1)
	q := got.Payment.Quotes[0]
	told = strings.Replace(told, `"createdAt":"`+at.Quotes[0].CreatedAt+`"}],`, `"createdAt":"2025-10-10T21:44:06.794Z"}],`, 1)
	told = strings.NewReplacer(
		got.PaymentID, "4291f98b-d68c-4eb0-883e-6bc790a41c96", at.MerchantID, "4e29f55d-d6a8-42d7-8230-cb8efeded39e",
		got.Payment.DepositAddress.ID, "6c1c95e1-04f1-4881-b7cc-c2a529fbde76", got.Payment.DepositAddress.Address, "0xa35e74109b7040d0ee74cb7cb71bae35a2981254",
		q.ID, "eb0e59b9-14d5-4324-a056-e87b74aa954f", q.Token.ID, "f9d14525-367d-4e16-b247-8d4ed23f1413",
		"Test <Store> & Sons", "Copycat Creations", "900008453", "84532", "Base (sandbox)", "Base Sepolia", "267232948320465", "668082370801162",
		at.Quotes[0].ExpiresAt, "2025-10-10T21:54:06.796Z", at.CreatedAt, "2025-10-10T21:44:06.733Z",
		webtest.BaseURL, "https://pay.spacepay.co.uk", got.Secret, "payment_secret_key",
	).Replace(told)
	if told != want.String() {
		t.Errorf("got  %s\nwant %s", told, want.Bytes())
	}
	if got.PaymentURL != webtest.BaseURL+"/payment/"+got.PaymentID || !strings.HasPrefix(got.Secret, "ps_") || q.RateUSDAsset != webtest.ETHPrice ||
		q.ExpiresAt.Sub(q.CreatedAt).Minutes() != 10 || got.Payment.UpdatedAt != nil || got.Payment.Type != nil {
		t.Errorf("%+v", got)
	}
	// The secret is nowhere told again, and the repeat is the same to the last byte.
	if again := s.SpacePay(http.MethodPost, backend, order, "Idempotency-Key: unique-key-for-request").Want(http.StatusCreated); !bytes.Equal(again.Body, r.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a repeat: %s", again.Body)
	}
	for _, shown := range []webtest.Response{
		s.SpacePay(http.MethodGet, backend+"/"+got.PaymentID, ""), s.SpacePay(http.MethodGet, backend, ""), s.Get(client+got.PaymentID, got.with()),
	} {
		if bytes.Contains(shown.Want(http.StatusOK).Body, []byte(got.Secret)) {
			t.Errorf("the secret is told: %s", shown.Body)
		}
	}
}

// However often and at once a creation is sent, there is one payment.
func TestOnePaymentForAKey(t *testing.T) {
	s := open(t, webtest.Deposits{})
	var first, repeated, busy atomic.Int32
	var mu sync.Mutex
	bodies := map[string]int{}
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			r := s.SpacePay(http.MethodPost, backend, order, "Idempotency-Key: k")
			switch {
			case r.Status == http.StatusConflict:
				refuses(t, r, http.StatusConflict, "idempotency_error", "idempotency_key_running", "")
				busy.Add(1)
				return
			case r.Status != http.StatusCreated:
				t.Errorf("%d %s", r.Status, r.Body)
				return
			case r.Header.Get("Idempotent-Replayed") == "true":
				repeated.Add(1)
			default:
				first.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			bodies[string(r.Body)]++
		})
	}
	wg.Wait()
	if first.Load() != 1 || len(bodies) != 1 || first.Load()+repeated.Load()+busy.Load() != 200 {
		t.Errorf("%d made, %d repeated, %d told to wait, %d different answers", first.Load(), repeated.Load(), busy.Load(), len(bodies))
	}
	list := read[struct {
		Pagination struct{ Total int }
	}](t, s.SpacePay(http.MethodGet, backend, "").Body)
	if list.Pagination.Total != 1 {
		t.Errorf("%d payments", list.Pagination.Total)
	}
}

func TestKeysOfCreations(t *testing.T) {
	s := open(t, webtest.Deposits{})
	const key = "Idempotency-Key: order 1" // blanks are printable
	first := s.SpacePay(http.MethodPost, backend, cents("100"), key).Want(http.StatusCreated)
	for name, body := range map[string]string{
		"other members' order": `{"currency":"USD","orderId":"o","amount":100}`, "another spelling": ` {"orderId" : "\u006f","amount":1e2,"currency":"USD" } `,
	} {
		if r := s.SpacePay(http.MethodPost, backend, body, key).Want(http.StatusCreated); !bytes.Equal(r.Body, first.Body) {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	for _, body := range []string{cents("101"), `{"orderId":"o","amount":100,"currency":"USD","redirectUrl":"https://a.example"}`, `{}`} {
		refuses(t, s.SpacePay(http.MethodPost, backend, body, key), http.StatusConflict, "idempotency_error", "idempotency_key_reused", "Idempotency-Key")
	}
	for _, bad := range []string{"", strings.Repeat("k", 256), "ä", "a\tb"} {
		refuses(t, s.SpacePay(http.MethodPost, backend, cents("100"), "Idempotency-Key: "+bad), http.StatusBadRequest, "invalid_request_error", "invalid_idempotency_key", "Idempotency-Key")
	}
	refuses(t, s.SpacePay(http.MethodPost, backend, cents("100"), key, "Idempotency-Key: b"), http.StatusBadRequest, "invalid_request_error", "invalid_idempotency_key", "Idempotency-Key")
	// What was refused left its key free, and another merchant's keys are another's.
	s.SpacePay(http.MethodPost, backend, cents("1"), "Idempotency-Key: free").Want(http.StatusBadRequest)
	s.SpacePay(http.MethodPost, backend, cents("100"), "Idempotency-Key: free").Want(http.StatusCreated)
	_, other := s.another("Other")
	refuses(t, s.Do(http.MethodPost, backend, cents("100"), key, secretKey(other)), http.StatusServiceUnavailable, "api_error", "no_deposit_key", "")
	// Without a key, each is a payment.
	if a, b := s.create(order), s.create(order); a.PaymentID == b.PaymentID || a.Secret == b.Secret || a.Payment.DepositAddress.Address == b.Payment.DepositAddress.Address {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestRefusedCreations(t *testing.T) {
	s := open(t, webtest.Deposits{})
	const bad = "invalid_request_error"
	for body, want := range map[string][2]string{
		cents("0"): {"invalid_amount", "amount"}, cents("99"): {"invalid_amount", "amount"}, cents("100000001"): {"invalid_amount", "amount"},
		cents("100.5"): {"invalid_amount", "amount"}, cents(`"100"`): {"invalid_amount", "amount"}, cents("1e999"): {"invalid_amount", "amount"},
		`{"orderId":"","amount":100,"currency":"USD"}`:                                      {"missing_order_id", "orderId"},
		`{"orderId":"o","amount":100,"currency":"EUR"}`:                                     {"invalid_currency", "currency"},
		`{"orderId":"o","amount":100,"currency":"USD","redirectUrl":"javascript:alert(1)"}`: {"invalid_redirect_url", "redirectUrl"},
		`{"orderId":"o","amount":100,"currency":"USD","customMetadata":"no"}`:               {"invalid_custom_metadata", "customMetadata"},
		`{"orderId":"o","amount":100,"currency":"USD","type":"deposit"}`:                    {"invalid_type", "type"},
		"{\"orderId\":\"o\u202e\",\"amount\":100,\"currency\":\"USD\"}":                     {"invalid_characters", "orderId"},
		`[]`: {"wrong_type", ""}, `{`: {"invalid_json", ""}, `{"orderId":"a","orderId":"b","amount":1,"currency":"USD"}`: {"duplicate_key", "orderId"},
	} {
		refuses(t, s.SpacePay(http.MethodPost, backend, body), http.StatusBadRequest, bad, want[0], want[1])
	}
	// The documented text, to the letter.
	if r := s.SpacePay(http.MethodPost, backend, cents("-1")); string(r.Body) != `{"error":{"type":"invalid_request_error","message":"The amount must be greater than 0","code":"invalid_amount","param":"amount"}}` {
		t.Errorf("%s", r.Body)
	}
	refuses(t, s.SpacePay(http.MethodPost, backend, order, "Content-Type: text/plain"), http.StatusUnsupportedMediaType, bad, "unsupported_media_type", "")
	refuses(t, s.SpacePay(http.MethodPost, backend, `{"orderId":"`+strings.Repeat("x", 70<<10)+`"}`), http.StatusRequestEntityTooLarge, bad, "body_too_large", "")
	refuses(t, s.SpacePay(http.MethodPost, backend, "", "Content-Type: application/json"), http.StatusBadRequest, bad, "empty_body", "")
}

// What API and pages need is said, where the server lacks it.
func TestWithoutWhatItTakes(t *testing.T) {
	bare := shop{webtest.New(t), t}
	key := secretKey(bare.AddSpacePayKey(bare.Merchant))
	refuses(t, bare.Do(http.MethodPost, backend, order, key), http.StatusServiceUnavailable, "api_error", "deposits_off", "")
	if r := bare.Get("/v1/external/tokens").Want(http.StatusOK); !strings.HasPrefix(string(r.Body), `{"data":[],"pagination":{"total":0,`) {
		t.Errorf("%s", r.Body)
	}
	if r := bare.Do(http.MethodGet, backend, "", key).Want(http.StatusOK); !strings.HasPrefix(string(r.Body), `{"data":[],`) {
		t.Errorf("%s", r.Body)
	}
	keyless := open(t, webtest.Deposits{NoKey: true})
	refuses(t, keyless.SpacePay(http.MethodPost, backend, order), http.StatusServiceUnavailable, "api_error", "no_deposit_key", "")
}

// Without a price there is no payment; with one of another asset there is.
func TestNoPriceNoPayment(t *testing.T) {
	s := open(t, webtest.Deposits{})
	s.SilentFeed("ETH", true)
	if q := s.create(order).Payment.Quotes[0]; q.Token.Symbol == "ETH" {
		t.Errorf("a quote without a price: %+v", q)
	}
	s.SilentFeed("USDC", true)
	s.FeedPrice("USDT", "2.00000000") // and the second source says something else
	r := s.SpacePay(http.MethodPost, backend, order, "Idempotency-Key: later")
	refuses(t, r, http.StatusServiceUnavailable, "api_error", "price_unavailable", "")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.SilentFeed("ETH", false)
	if q := read[made](t, s.SpacePay(http.MethodPost, backend, order, "Idempotency-Key: later").Want(http.StatusCreated).Body).Payment.Quotes[0]; q.Token.Symbol != "ETH" {
		t.Errorf("%+v", q)
	}
}

// The merchant's own asset and time count.
func TestWhatTheKeySays(t *testing.T) {
	s := open(t, webtest.Deposits{Quoted: "USDT-base", Life: 90e9})
	m := s.create(cents("2500"))
	if q := m.Payment.Quotes[0]; q.Token.Symbol != "USDT" || q.RateUSDAsset != webtest.USDTPrice || q.ExpectedAmountAsset != "24994752" || q.ExpiresAt.Sub(q.CreatedAt).Seconds() != 90 {
		t.Errorf("%+v", q) // a quote lives no longer than its payment
	}
}
