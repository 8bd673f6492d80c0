package secpaid_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
	api      = "/api/v2/"
	secret   = "whsec_bGlua3MgYXJlIHNpZ25lZCB3aXRoIHRoaXMgb25l"
)

// desk is a running server with a merchant that makes links, and what its tests do again and
// again. Whatever is answered is held against the document.
type desk struct {
	*webtest.World
	t        testing.TB
	token    string
	contract *apidoctest.Contract
	seen     map[apidoctest.Pair]bool
}

// open starts a server whose merchant has a bank account.
func open(t testing.TB, o webtest.Options) *desk {
	t.Helper()
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	if o.Links == nil {
		o.Links = &webtest.Links{}
	}
	d := &desk{World: webtest.NewWith(t, o), t: t, contract: contract, seen: map[apidoctest.Pair]bool{}}
	d.token = d.SecPaidToken
	return d
}

// set changes what the merchant has set for links.
func (d *desk) set(change func(s *merchant.LinkSettings)) {
	d.t.Helper()
	s := merchant.LinkSettings{Merchant: d.Merchant, Secret: secret}
	change(&s)
	if err := d.App.Store.SetLinkSettings(d.t.Context(), s); err != nil {
		d.t.Fatal(err)
	}
}

// another makes a merchant with a token.
func (d *desk) another(name string) (id payment.MerchantID, token string) {
	d.t.Helper()
	who, err := d.App.Directory.Authenticate(d.t.Context(), merchant.APIKey, d.AddMerchant(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return who.Merchant, d.AddSecPaidToken(who.Merchant)
}

// wallet gives a merchant a destination on a chain.
func (d *desk) wallet(m payment.MerchantID, chain asset.ChainID, address string) {
	d.t.Helper()
	to, err := asset.ParseAddress(address)
	if err != nil {
		d.t.Fatal(err)
	}
	now := time.Now().UTC()
	x := merchant.Destination{ID: payment.NewULID(now), Merchant: m, To: asset.Destination{Wallet: to, Chain: chain}, Active: true, CreatedAt: now}
	if err := d.App.Store.InsertDestination(d.t.Context(), x); err != nil {
		d.t.Fatal(err)
	}
}

// send makes a call as a client does, without a token of its own.
func (d *desk) send(operation, body string, headers ...string) webtest.Response {
	d.t.Helper()
	return d.ask(http.MethodPost, api+operation, body, headers...)
}

func (d *desk) ask(method, path, body string, headers ...string) webtest.Response {
	d.t.Helper()
	r := d.Do(method, path, body, headers...)
	d.note(method, path, r)
	return r
}

// note counts an answer. The world holds it against the document.
func (d *desk) note(method, path string, r webtest.Response) {
	d.t.Helper()
	if d.contract.Find(method, path) == "" {
		return
	}
	pair, err := d.contract.Response(method, path, r.Status, r.Header, r.Body)
	if err != nil {
		d.t.Errorf("%s %s: %v", method, path, err)
	}
	d.seen[pair] = true
}

// call makes a call with the merchant's token.
func (d *desk) call(operation, body string, headers ...string) webtest.Response {
	d.t.Helper()
	return d.send(operation, body, append(headers, "token: "+d.token)...)
}

// made is the answer to a creation.
type made struct {
	IsCancellation, UserID, RecipientNote, Status, PaymentEndpoint, CallbackURL, ServiceFee string
	Recipients                                                                              *string
	IsSplitLink, SplitType, BankTransfer, IsQRLink, BankStatementDescription                string
	Amount                                                                                  json.Number
	ID                                                                                      int64
	CreatedAt, PayLink, QRImg, TransactionType                                              string
}

func (m *made) UnmarshalJSON(b []byte) error {
	var w struct {
		IsCancellation           string      `json:"is_cancellation"`
		UserID                   string      `json:"user_id"`
		Amount                   json.Number `json:"amount"`
		RecipientNote            string      `json:"recipient_note"`
		Status                   string      `json:"status"`
		PaymentEndpoint          string      `json:"paymentEndpoint"`
		CallbackURL              string      `json:"callback_url"`
		ServiceFee               string      `json:"servicefee"`
		Recipients               *string     `json:"recipients"`
		IsSplitLink              string      `json:"is_split_link"`
		SplitType                string      `json:"split_type"`
		BankTransfer             string      `json:"bank_transfer"`
		IsQRLink                 string      `json:"is_qr_link"`
		BankStatementDescription string      `json:"bank_statement_description"`
		CreatedAt                string      `json:"created_at"`
		ID                       int64       `json:"id"`
		PayLink                  string      `json:"pay_link"`
		QRImg                    string      `json:"qr_img"`
		TransactionType          string      `json:"transaction_type"`
	}
	err := json.Unmarshal(b, &w)
	*m = made{
		w.IsCancellation, w.UserID, w.RecipientNote, w.Status, w.PaymentEndpoint, w.CallbackURL, w.ServiceFee, w.Recipients, w.IsSplitLink, w.SplitType,
		w.BankTransfer, w.IsQRLink, w.BankStatementDescription, w.Amount, w.ID, w.CreatedAt, w.PayLink, w.QRImg, w.TransactionType,
	}
	return err
}

// envelope is what every answer has.
type envelope[T any] struct {
	Data         T
	ResponseCode int
	ResponseMsg  string
	Result       string
	ServerTime   string
	TotalRecords int
}

func read[T any](t testing.TB, r webtest.Response) envelope[T] {
	t.Helper()
	var v envelope[T]
	if err := json.Unmarshal(r.Body, &v); err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	return v
}

// fine is the data of an answer that must be a success.
func fine[T any](t testing.TB, r webtest.Response) T {
	t.Helper()
	v := read[T](t, r.Want(http.StatusOK))
	if v.ResponseCode != 1 || v.Result != "True" {
		t.Fatalf("%s", r.Body)
	}
	return v.Data
}

// refuses fails the test unless an answer is this error and has no data.
func refuses(t testing.TB, name string, r webtest.Response, status int, text string) {
	t.Helper()
	v := read[json.RawMessage](t, r)
	if r.Status != status || v.ResponseCode != 0 || v.Result != "False" || v.ResponseMsg != text || v.Data != nil || v.ServerTime == "" || r.Header.Get("Content-Type") != jsonType {
		t.Errorf("%s: %d %s, want %d %q", name, r.Status, r.Body, status, text)
	}
}

func (d *desk) create(body string, headers ...string) made {
	d.t.Helper()
	return fine[made](d.t, d.call("createLink", body, headers...))
}

// stored is a link's payment.
func (d *desk) stored(id int64) *payment.Payment {
	d.t.Helper()
	p, err := d.App.Store.PaymentByAlias(d.t.Context(), secpaid.Name, fmt.Sprint(id))
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// pay has the merchant confirm a bank transfer of all of a link.
func (d *desk) pay(m made) {
	d.t.Helper()
	got := fine[struct{ Status string }](d.t, d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":%s}`, m.ID, m.Amount)))
	if got.Status != "Used" {
		d.t.Fatalf("after its transfer link %d is %s", m.ID, got.Status)
	}
}

// multi writes a multipart form, as curl and PHP do.
func multi(t testing.TB, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

func decode(t testing.TB, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
}
