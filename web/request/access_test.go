package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/screening"
	"quittance/web/webtest"
)

// oracle is a screening provider over HTTP that says what the test tells it to:
// "approved" unless told otherwise, "down" to fail.
type oracle struct {
	*httptest.Server
	mu   sync.Mutex
	says map[string]string // by lower-case address
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	o := &oracle{says: map[string]string{}}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Address string `json:"address"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Errorf("asked: %v", err)
		}
		o.mu.Lock()
		says := o.says[strings.ToLower(q.Address)]
		o.mu.Unlock()
		if says == "down" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if says == "" {
			says = "approved"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"status":%q,"reference":"acme-1","reportUrl":"https://acme.example/1","reason":"mixer","rawStatus":"HIGH"}`, says)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *oracle) say(wallet, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.says[strings.ToLower(wallet)] = what
}

// screened starts a server with an oracle and a sanctions list.
func screened(t *testing.T) (*webtest.World, *oracle) {
	t.Helper()
	o := newOracle(t)
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte(sanctioned+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return webtest.NewWith(t, webtest.Options{Screening: app.ScreeningSetup{
		List: list, Providers: []screening.VendorConfig{{Name: "hypernative", URL: o.URL, Key: "k"}},
	}}), o
}

const sanctioned = "0x8589427373D6D84E98730D7795D8f6f8731FDA16"

func withPolicy(policy string) string {
	return fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"reference":"SECRET-ORDER","accessPolicy":%s}`, payee, policy)
}

// tells reports what of a payment an answer gives away.
func tells(p *payment.Payment, body []byte) []string {
	var out []string
	text := strings.ToLower(string(body))
	for _, secret := range []string{
		strings.ToLower(p.Terms.Requests[0].Payee.String()[2:]), p.Terms.Requests[0].ID, p.Terms.Requests[0].Reference, "10000000", "secret-order", "usdc",
	} {
		if strings.Contains(text, strings.ToLower(secret)) {
			out = append(out, secret)
		}
	}
	return out
}

func keysOf(m map[string]any) string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestAllowedPayers(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	friend, other := w.Chain.Wallet.Address(), w.Chain.Other.Address()
	// In any case of the letters, and twice.
	token := w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q,%q],"hideUntilApproved":true}`, strings.ToLower(friend), friend)))
	p := w.Load(token)
	if len(p.Terms.Access.Allowed) != 1 {
		t.Errorf("the list: %v", p.Terms.Access.Allowed)
	}
	path := route + "/" + token

	nobody := w.API(http.MethodGet, path, "").Want(http.StatusOK)
	if got := keysOf(nobody.JSON()); got != "branding paymentType status" || len(tells(p, nobody.Body)) > 0 {
		t.Errorf("without a wallet: %s", nobody.Body)
	}
	refused := w.API(http.MethodGet, path+"?wallet="+other, "").Want(http.StatusOK)
	decision, _ := refused.JSON()["accessDecision"].(map[string]any)
	if keysOf(refused.JSON()) != "accessDecision branding paymentType status" || decision["status"] != "rejected" || decision["reasonCode"] != "wallet_not_allowed" ||
		decision["provider"] != nil || len(tells(p, refused.Body)) > 0 {
		t.Errorf("a stranger: %s", refused.Body)
	}
	shown := w.API(http.MethodGet, path+"?wallet="+friend, "").Want(http.StatusOK).JSON()
	decision, _ = shown["accessDecision"].(map[string]any)
	if shown["payee"] != payee || decision["status"] != "approved" || decision["reasonCode"] != nil {
		t.Errorf("a friend: %v", shown)
	}

	for query, code := range map[string]string{"": "wallet_required", "?wallet=" + other: "wallet_not_allowed"} {
		got := w.API(http.MethodGet, path+"/pay"+query, "").Want(http.StatusForbidden)
		if got.JSON()["code"] != code || got.JSON()["field"] != "wallet" || len(tells(p, got.Body)) > 0 {
			t.Errorf("calldata for %q: %s", query, got.Body)
		}
	}
	w.API(http.MethodGet, path+"/pay?wallet="+friend, "").Want(http.StatusOK)

	intent := func(n int, more string) webtest.Response {
		return w.API(http.MethodPost, path+"/intent", fmt.Sprintf(`{"txHash":"0x%064x","chain":"BASE","token":"USDC"%s}`, n, more))
	}
	if got := intent(1, "").Want(http.StatusForbidden).JSON(); got["code"] != "wallet_required" {
		t.Errorf("an intent of nobody: %v", got)
	}
	intent(1, `,"payerAddress":"`+other+`"`).Want(http.StatusForbidden)
	guess := fmt.Sprintf(`{"txHash":"0x%064x","chain":"BASE","token":"USDT","payerAddress":%q}`, 1, other)
	if got := w.API(http.MethodPost, path+"/intent", guess).Want(http.StatusForbidden).JSON(); got["code"] != "wallet_not_allowed" {
		t.Errorf("a stranger who guesses the asset: %v", got)
	}
	intent(1, `,"payerAddress":"`+friend+`","payerEoaAddress":"`+other+`"`).Want(http.StatusForbidden)
	intent(1, `,"payerAddress":"`+friend+`"`).Want(http.StatusOK)
	intent(2, `,"payerAddress":"`+other+`","payerEoaAddress":"`+friend+`"`).Want(http.StatusOK) // through a smart account

	w.Await("the rejection to be told", func() bool { return len(hooks.Received()) > 0 })
	var told map[string]any
	if err := json.Unmarshal(hooks.Received()[0].Body, &told); err != nil {
		t.Fatal(err)
	}
	if told["event"] != "secure_payment.access_rejected" || told["requestId"] != p.Terms.Requests[0].ID ||
		told["attemptedPayerWalletAddress"] != strings.ToLower(other) {
		t.Errorf("webhook: %v", told)
	}
	// The merchant's own look-up shows everything.
	found := w.API(http.MethodGet, route+"?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
	policy, _ := found["accessPolicy"].(map[string]any)
	if found["destination"] == nil || len(list(t, policy, "allowedPayerAddresses", 1)) != 1 {
		t.Errorf("look-up: %v", found)
	}

	// Paid by a stranger all the same: it counts, and who may not know the payee is
	// not told the transaction.
	w.PayOnChain(w.Chain.Other, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	done := w.API(http.MethodGet, path, "").Want(http.StatusConflict)
	status, _ := list(t, done.JSON(), "requestStatuses", 1)[0].(map[string]any)
	if status["hasBeenPaid"] != true || status["txHash"] != nil {
		t.Errorf("409: %s", done.Body)
	}
}

func TestHiddenPayee(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(withPolicy(`{"hidePayeeAddress":true}`))
	got := w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK)
	show := got.JSON()
	d, _ := show["destination"].(map[string]any)
	if show["isPayeeAddressMasked"] != true || show["payee"] != "0x742d...f44e" || d["walletAddress"] != "0x742d...f44e" || d["isMasked"] != true ||
		d["destinationId"] != nil || strings.Contains(strings.ToLower(string(got.Body)), strings.ToLower(payee[2:])) {
		t.Errorf("got %s", got.Body)
	}
	several := w.Create(batchOf(`,"accessPolicy":{"hidePayeeAddress":true}`, payee+" USDC-base 1", otherPayee+" USDC-base 2"))
	got = w.API(http.MethodGet, route+"/"+several, "").Want(http.StatusOK)
	for _, full := range []string{payee, otherPayee} {
		if strings.Contains(strings.ToLower(string(got.Body)), strings.ToLower(full[2:])) {
			t.Errorf("a batch tells %s: %s", full, got.Body)
		}
	}
	found := w.API(http.MethodGet, route+"?requestId="+w.Load(token).Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
	if d, _ := found["destination"].(map[string]any); d["walletAddress"] != payee {
		t.Errorf("the merchant sees %v", d)
	}
}

func TestScreenedPayer(t *testing.T) {
	w, o := screened(t)
	friend, other := w.Chain.Wallet.Address(), w.Chain.Other.Address()
	token := w.Create(withPolicy(`{"mode":"kyt_all_wallets","screeningProvider":"hypernative","hideUntilApproved":true}`))
	p := w.Load(token)
	path := route + "/" + token
	o.say(other, "rejected")
	for wallet, want := range map[string]struct{ status, reason, provider string }{
		other:      {"rejected", "screening_rejected", "hypernative"},
		sanctioned: {"rejected", "screening_rejected", screening.ListName},
		friend:     {"approved", "", "hypernative"},
	} {
		got := w.API(http.MethodGet, path+"?wallet="+wallet, "").Want(http.StatusOK)
		decision, _ := got.JSON()["accessDecision"].(map[string]any)
		reason, _ := decision["reasonCode"].(string)
		if decision["status"] != want.status || reason != want.reason || decision["provider"] != want.provider {
			t.Errorf("%s: %s", wallet, got.Body)
		}
		result, _ := list(t, decision, "walletResults", 1)[0].(map[string]any)
		if result["walletAddress"] != wallet || result["status"] != want.status || result["walletType"] != "eoa" {
			t.Errorf("%s: %v", wallet, result)
		}
		if strings.Contains(string(got.Body), "acme.example") {
			t.Errorf("the payer is told of the report: %s", got.Body)
		}
		calls := w.API(http.MethodGet, path+"/pay?wallet="+wallet, "")
		if want.status == "approved" {
			calls.Want(http.StatusOK)
			continue
		}
		if calls.Want(http.StatusForbidden).JSON()["code"] != "screening_rejected" || len(tells(p, append(calls.Body, got.Body...))) > 0 {
			t.Errorf("%s: %s", wallet, calls.Body)
		}
	}
	found := w.API(http.MethodGet, route+"?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
	list(t, found, "payerKytResults", 3)
	results := list(t, found, "payeeKytResults", 1)
	result, _ := results[0].(map[string]any)
	want := "evaluatedAt notes parentWalletAddress provider providerReference rawStatus reasonCode reportUrl status walletAddress walletType"
	if keysOf(result) != want || result["walletAddress"] != payee || result["status"] != "approved" || result["providerReference"] != "acme-1" ||
		result["reportUrl"] != "https://acme.example/1" || result["rawStatus"] != "HIGH" || result["reasonCode"] != nil {
		t.Errorf("payee: %v", result)
	}
}

func TestScreeningProviderDown(t *testing.T) {
	w, o := screened(t)
	wallet := w.Chain.Wallet.Address()
	o.say(wallet, "down")
	token := w.Create(withPolicy(`{"mode":"kyt_all_wallets"}`))
	show := w.API(http.MethodGet, route+"/"+token+"?wallet="+wallet, "").Want(http.StatusOK).JSON()
	if decision, _ := show["accessDecision"].(map[string]any); decision["status"] != "error" || decision["reasonCode"] != "screening_unavailable" {
		t.Errorf("got %v", decision)
	}
	got := w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+wallet, "").Want(http.StatusServiceUnavailable)
	if got.Header.Get("Retry-After") == "" || got.JSON()["code"] != "screening_unavailable" || got.JSON()["transactions"] != nil {
		t.Errorf("got %s", got.Body)
	}
}

func TestScreenedPayeeIsRefused(t *testing.T) {
	w, o := screened(t)
	hooks := receiver(t, w)
	o.say(payee, "rejected")
	token := w.Create(withPolicy(`{"mode":"kyt_all_wallets","hideUntilApproved":true}`))
	p := w.Load(token)
	path := route + "/" + token
	got := w.API(http.MethodGet, path+"?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusForbidden)
	if v := got.JSON(); v["status"] != "compliance_failed" || v["code"] != "compliance_failed" || v["message"] != "Secure payment token expired or invalid status" {
		t.Errorf("got %s", got.Body)
	}
	list(t, got.JSON(), "requestStatuses", 1)
	for _, r := range []webtest.Response{
		w.API(http.MethodGet, path, ""), w.API(http.MethodGet, path+"/pay?wallet="+w.Chain.Wallet.Address(), ""),
		w.API(http.MethodPost, path+"/intent", `{"txHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"USDC"}`),
	} {
		if r.Want(http.StatusForbidden).JSON()["status"] != "compliance_failed" {
			t.Errorf("got %s", r.Body)
		}
	}
	found := w.API(http.MethodGet, route+"?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
	if found["status"] != "compliance_failed" || found["blockReason"] != "not_outgoing" {
		t.Errorf("look-up: %v", found)
	}
	w.Await("the webhook", func() bool { return len(hooks.Received()) > 0 })
	var told map[string]any
	if err := json.Unmarshal(hooks.Received()[0].Body, &told); err != nil {
		t.Fatal(err)
	}
	if told["event"] != "payment.failed" || told["subStatus"] != "compliance_failed" {
		t.Errorf("webhook: %v", told)
	}
}

// What a payment does not say comes from its destination, else from its merchant,
// and is frozen then.
func TestInheritedPolicy(t *testing.T) {
	w, _ := screened(t)
	own := payment.Access{Allowed: []asset.Address{{19: 1}}, HidePayee: true}
	key := w.AddMerchantWith(merchant.Merchant{Name: "Careful", Access: own})
	create := func(body string) payment.Access {
		t.Helper()
		made := w.Do(http.MethodPost, route, body, "X-Api-Key: "+key).Want(http.StatusCreated).JSON()
		token, _ := made["token"].(string)
		return w.Load(token).Terms.Access
	}
	same := func(what string, got, want payment.Access) {
		t.Helper()
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("%s: got %s, want %s", what, a, b)
		}
	}
	same("nothing said", create(usdc("1")), own)
	same("inherit", create(withPolicy(`{"mode":"inherit","hideUntilApproved":true}`)), payment.Access{Allowed: own.Allowed, HidePayee: true, HideUntilApproved: true})
	same("nulls", create(withPolicy(`{"mode":null,"allowedPayerAddresses":null,"hidePayeeAddress":null,"screeningProvider":null,"hideUntilApproved":null}`)), own)
	same("anyone", create(withPolicy(`{"allowedPayerAddresses":[],"hidePayeeAddress":false}`)), payment.Access{})
	same("screened", create(withPolicy(`{"mode":"kyt_all_wallets"}`)), payment.Access{Allowed: own.Allowed, HidePayee: true, Screen: true})

	// A destination's policy comes before the merchant's.
	strict := payment.Access{Screen: true, Provider: "hypernative"}
	usdcToken, _ := w.App.Checkout.Book().Token("USDC-base")
	wallet, err := asset.ParseAddress(payee)
	if err != nil {
		t.Fatal(err)
	}
	who, err := w.App.Directory.Authenticate(t.Context(), merchant.APIKey, key)
	if err != nil {
		t.Fatal(err)
	}
	err = w.App.Store.InsertDestination(t.Context(), merchant.Destination{
		ID: payment.NewULID(time.Now()), Merchant: who.Merchant, To: asset.Destination{Wallet: wallet, Chain: usdcToken.Chain, Token: usdcToken.Address},
		WalletType: "eoa", Access: &strict, Active: true, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	same("to the destination", create(`{"requests":[{"amount":"1"}]}`), strict)
	same("to the same, by name", create(usdc("1")), strict)
	same("screened no more", create(withPolicy(`{"mode":"off"}`)), payment.Access{})
	same("to another", create(strings.Replace(usdc("1"), payee, otherPayee, 1)), own)
	got := w.Do(http.MethodPost, route, batchOf("", payee+" USDC-base 1", otherPayee+" USDC-base 1"), "X-Api-Key: "+key).Want(http.StatusBadRequest).JSON()
	if got["code"] != "several_policies" || got["field"] != "requests[1]" {
		t.Errorf("two policies: %v", got)
	}
}

// A client id may restrict its links further, and not less.
func TestPolicyOfAClientID(t *testing.T) {
	w, _ := screened(t)
	destination := addDestination(t, w)
	active, err := w.App.Directory.Destinations(t.Context(), w.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	strict := active[0]
	friend := address(t, otherPayee)
	strict.Access = &payment.Access{
		Allowed: []asset.Address{friend, address(t, payee)}, Screen: true, Provider: "hypernative", HideUntilApproved: true, HidePayee: true,
	}
	strict.ID = payment.NewULID(time.Now())
	if err := w.App.Store.InsertDestination(t.Context(), strict); err != nil { // in place of the first
		t.Fatal(err)
	}
	id := addClientID(t, w, shop)
	for policy, field := range map[string]string{
		`{}`:                 "",
		`null`:               "",
		`{"mode":"inherit"}`: "",
		`{"mode":"kyt_all_wallets","allowedPayerAddresses":["` + otherPayee + `"]}`: "",
		`{"mode":"off"}`:                         "accessPolicy.mode",
		`{"screeningProvider":"sanctions_list"}`: "accessPolicy.screeningProvider",
		`{"hideUntilApproved":false}`:            "accessPolicy.hideUntilApproved",
		`{"hidePayeeAddress":false}`:             "accessPolicy.hidePayeeAddress",
		`{"allowedPayerAddresses":[]}`:           "accessPolicy.allowedPayerAddresses",
		`{"allowedPayerAddresses":["` + otherPayee + `","0x00000000000000000000000000000000000000aa"]}`: "accessPolicy.allowedPayerAddresses",
	} {
		body := fmt.Sprintf(`{"requests":[{"destinationId":%q,"amount":"1"}],"accessPolicy":%s}`, destination, policy)
		got := w.Do(http.MethodPost, route, body, id, "Origin: "+shop)
		if field == "" {
			got.Want(http.StatusCreated)
		} else if v := got.Want(http.StatusForbidden).JSON(); v["field"] != field || v["code"] != "access_policy_not_allowed" {
			t.Errorf("%s: got %s", policy, got.Body)
		}
		w.API(http.MethodPost, route, body).Want(http.StatusCreated) // the merchant may
	}
}

func TestPolicyRefusals(t *testing.T) {
	w := webtest.New(t)
	many := strings.Repeat(`"`+payee+`",`, 500) + `"` + payee + `"`
	for policy, want := range map[string]string{
		`{"mode":"KYT_ALL_WALLETS"}`: "accessPolicy.mode invalid_mode",
		`{"mode":""}`:                "accessPolicy.mode invalid_mode",
		`{"mode":1}`:                 "accessPolicy.mode wrong_type",
		`{"mode":"kyt_all_wallets"}`: "accessPolicy.screeningProvider unknown_provider",
		`{"mode":"kyt_all_wallets","screeningProvider":"hypernative"}`:                    "accessPolicy.screeningProvider unknown_provider",
		`{"mode":"off","screeningProvider":"merklescience"}`:                              "accessPolicy.screeningProvider unknown_provider",
		`{"screeningProvider":""}`:                                                        "accessPolicy.screeningProvider unknown_provider",
		`{"hideUntilApproved":"true"}`:                                                    "accessPolicy.hideUntilApproved wrong_type",
		`{"allowedPayerAddresses":"` + payee + `"}`:                                       "accessPolicy.allowedPayerAddresses wrong_type",
		`{"allowedPayerAddresses":["` + payee + `","0x12"]}`:                              "accessPolicy.allowedPayerAddresses[1] invalid_address",
		`{"allowedPayerAddresses":["` + strings.Replace(payee, "35Cc", "35cC", 1) + `"]}`: "accessPolicy.allowedPayerAddresses[0] invalid_address",
		`{"allowedPayerAddresses":["0x0000000000000000000000000000000000000000"]}`:        "accessPolicy.allowedPayerAddresses[0] invalid_address",
		`{"allowedPayerAddresses":["TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"]}`:                "accessPolicy.allowedPayerAddresses[0] tron_unsupported",
		`{"allowedPayerAddresses":[null]}`:                                                "accessPolicy.allowedPayerAddresses[0] invalid_address",
		`{"allowedPayerAddresses":[` + many + `]}`:                                        "accessPolicy.allowedPayerAddresses too_many_addresses",
		`{"allowedPayerAdresses":["` + payee + `"]}`:                                      "accessPolicy unknown_access_policy",
		`"off"`: "accessPolicy wrong_type",
		`[]`:    "accessPolicy wrong_type",
	} {
		got := w.API(http.MethodPost, route, withPolicy(policy)).Want(http.StatusBadRequest).JSON()
		if s := fmt.Sprint(got["field"], " ", got["code"]); s != want {
			t.Errorf("%.100s: got %s, want %s", policy, s, want)
		}
	}
	w.API(http.MethodPost, route, withPolicy(`null`)).Want(http.StatusCreated)
	w.API(http.MethodPost, route, withPolicy(`{}`)).Want(http.StatusCreated)
}
