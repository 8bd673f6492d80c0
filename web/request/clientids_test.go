package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const clientIDs = "/v2/client-ids"

// feeAddress is the one of the vendor's examples.
const feeAddress = "0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"

// bearer signs a wallet in for the world's merchant, without the ceremony.
func bearer(t *testing.T, w *webtest.World, m payment.MerchantID, wallet string) string {
	t.Helper()
	s, secret := merchant.NewSession(m, account(t, wallet), 900008453, time.Now().UTC())
	if err := w.App.Store.InsertSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + secret
}

func TestClientIDs(t *testing.T) {
	w := webtest.New(t)
	// The documented examples, word for word.
	made := w.API(http.MethodPost, clientIDs, `{"label":"My Client ID","allowedDomains":["https://example.com"]}`).Want(http.StatusCreated).JSON()
	holds(t, "made", made, map[string]any{
		"label": "My Client ID", "allowedDomains": []any{"https://example.com"}, "feePercentage": nil, "feeAddress": nil, "operatorWalletAddress": nil,
		"defaultPreApprovalExpiry": nil, "defaultAuthorizationExpiry": nil, "status": "active", "payeeDestinationId": nil,
	})
	if !strings.HasPrefix(str(made["clientId"]), "cli_") || len(str(made["id"])) != 26 {
		t.Errorf("ids: %v", made)
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", str(made["createdAt"])); err != nil || time.Since(at) > time.Minute {
		t.Errorf("createdAt: %v", made["createdAt"])
	}
	fees := w.API(http.MethodPost, clientIDs, `{"label":"My Client ID with Fees","allowedDomains":["https://example.com","https://app.example.com/"],
		"feePercentage":"2.5","feeAddress":"`+feeAddress+`","operatorWalletAddress":"`+strings.ToLower(payee)+`","defaultPreApprovalExpiry":3600,"defaultAuthorizationExpiry":2147483647}`).Want(http.StatusCreated).JSON()
	want := map[string]any{
		"allowedDomains": []any{"https://example.com", "https://app.example.com"}, "feePercentage": "2.5", "feeAddress": feeAddress,
		"operatorWalletAddress": payee, "defaultPreApprovalExpiry": 3600, "defaultAuthorizationExpiry": 2.147483647e+09,
	}
	holds(t, "with fees", fees, want)

	path := clientIDs + "/" + str(fees["id"])
	holds(t, "one", w.API(http.MethodGet, path, "").Want(http.StatusOK).JSON(), want)
	var all []map[string]any
	if err := json.Unmarshal(w.API(http.MethodGet, clientIDs, "").Want(http.StatusOK).Body, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0]["id"] != fees["id"] || all[1]["id"] != made["id"] {
		t.Fatalf("list: %v", all)
	}
	carries(t, "list", all[0], "id", "clientId", "label", "allowedDomains", "operatorWalletAddress", "defaultPreApprovalExpiry", "defaultAuthorizationExpiry", "status", "createdAt", "lastUsedAt")
	if _, there := all[0]["feePercentage"]; there || all[0]["lastUsedAt"] != nil {
		t.Errorf("the list tells of fees, or of a use that was none: %v", all[0])
	}

	// It works from its pages, and its use is noted.
	w.Do(http.MethodGet, "/v2/currencies", "", "X-Client-Id: "+str(fees["clientId"]), "Origin: https://app.example.com").Want(http.StatusOK)
	if used := w.API(http.MethodGet, path, "").JSON()["lastUsedAt"]; str(used) == "" {
		t.Error("its use was not noted")
	}

	// What a change names changes, null takes away, the rest stays.
	changed := w.API(http.MethodPut, path, `{"label":"New","feePercentage":null,"feeAddress":null,"defaultPreApprovalExpiry":null}`).Want(http.StatusOK).JSON()
	holds(t, "changed", changed, map[string]any{
		"id": fees["id"], "clientId": fees["clientId"], "label": "New", "feePercentage": nil, "feeAddress": nil, "operatorWalletAddress": payee,
		"defaultPreApprovalExpiry": nil, "defaultAuthorizationExpiry": 2.147483647e+09, "status": "active",
	})
	if str(changed["updatedAt"]) == "" {
		t.Error("updatedAt is missing")
	}
	w.API(http.MethodPut, path, `{}`).Want(http.StatusOK)
}

func TestClientIDsThatEnd(t *testing.T) {
	w := webtest.New(t)
	made := w.API(http.MethodPost, clientIDs, `{"label":"a","allowedDomains":["`+shop+`"]}`).Want(http.StatusCreated).JSON()
	path := clientIDs + "/" + str(made["id"])
	try := func() webtest.Response {
		return w.Do(http.MethodGet, "/v2/currencies", "", "X-Client-Id: "+str(made["clientId"]), "Origin: "+shop)
	}
	try().Want(http.StatusOK)
	for status, want := range map[string]int{"inactive": http.StatusForbidden, "active": http.StatusOK} {
		holds(t, status, w.API(http.MethodPut, path, `{"status":"`+status+`"}`).Want(http.StatusOK).JSON(), map[string]any{"status": status})
		if got := try(); got.Status != want {
			t.Errorf("%s: got %d, want %d at once on this node", status, got.Status, want)
		}
	}
	holds(t, "revoked", w.API(http.MethodDelete, path, "").Want(http.StatusOK).JSON(), map[string]any{"status": "revoked"})
	try().Want(http.StatusForbidden)
	for _, body := range []string{`{"status":"active"}`, `{"status":"inactive"}`, `{"label":"b"}`} {
		refuses(t, body, w.API(http.MethodPut, path, body), http.StatusBadRequest, "cannot reactivate revoked ID", "status")
	}
	w.API(http.MethodDelete, path, "").Want(http.StatusOK) // a second time is no mistake
	w.API(http.MethodPut, path, `{"status":"revoked"}`).Want(http.StatusOK)
	holds(t, "afterwards", w.API(http.MethodGet, path, "").Want(http.StatusOK).JSON(), map[string]any{"status": "revoked", "label": "a"})

	// A change that revokes ends it as well.
	made = w.API(http.MethodPost, clientIDs, `{"label":"a","allowedDomains":["`+shop+`"]}`).Want(http.StatusCreated).JSON()
	holds(t, "revoked by a change", w.API(http.MethodPut, clientIDs+"/"+str(made["id"]), `{"status":"revoked"}`).Want(http.StatusOK).JSON(), map[string]any{"status": "revoked"})
	try().Want(http.StatusForbidden)
}

func TestClientIDsThatAreRefused(t *testing.T) {
	w := webtest.New(t)
	ten := strings.Repeat(`"https://a.example",`, 11)
	long := strings.Repeat("ä", 101)
	for body, want := range map[string][2]string{ // field and, where there is one, the text
		`{"allowedDomains":["https://a.example"]}`:                        {"label", "label is required."},
		`{"label":null,"allowedDomains":["https://a.example"]}`:           {"label", ""},
		`{"label":"","allowedDomains":["https://a.example"]}`:             {"label", "label must have 1 to 100 characters."},
		`{"label":"` + long + `","allowedDomains":["https://a.example"]}`: {"label", "label must have 1 to 100 characters."},
		`{"label":"a\u0000","allowedDomains":["https://a.example"]}`:      {"label", ""},
		`{"label":7,"allowedDomains":["https://a.example"]}`:              {"label", ""},
		`{"label":"a"}`:                     {"allowedDomains", "allowedDomains is required."},
		`{"label":"a","allowedDomains":[]}`: {"allowedDomains", "allowedDomains must hold 1 to 10 domains."},
		`{"label":"a","allowedDomains":[` + ten[:len(ten)-1] + `]}`:                                                                          {"allowedDomains", "allowedDomains must hold 1 to 10 domains."},
		`{"label":"a","allowedDomains":"https://a.example"}`:                                                                                 {"allowedDomains", ""},
		`{"label":"a","allowedDomains":[null]}`:                                                                                              {"allowedDomains[0]", ""},
		`{"label":"a","allowedDomains":["https://a.example","*"]}`:                                                                           {"allowedDomains[1]", ""},
		`{"label":"a","allowedDomains":["http://a.example"]}`:                                                                                {"allowedDomains[0]", "An allowed domain must be https, except http://localhost and http://127.0.0.1."},
		`{"label":"a","allowedDomains":["https://a.example/x"]}`:                                                                             {"allowedDomains[0]", ""},
		`{"label":"a","allowedDomains":["https://a.example","https://A.example:443/"]}`:                                                      {"allowedDomains[1]", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"1"}`:                                                           {"feeAddress", "feeAddress is required with feePercentage."},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"0"}`:                                                           {"feeAddress", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feeAddress":"` + feeAddress + `"}`:                                             {"feePercentage", "feePercentage is required with feeAddress."},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"1.234","feeAddress":"` + feeAddress + `"}`:                     {"feePercentage", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"101","feeAddress":"` + feeAddress + `"}`:                       {"feePercentage", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"","feeAddress":"` + feeAddress + `"}`:                          {"feePercentage", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":1,"feeAddress":"` + feeAddress + `"}`:                           {"feePercentage", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"1","feeAddress":"0x00"}`:                                       {"feeAddress", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"feePercentage":"1","feeAddress":"0x0000000000000000000000000000000000000000"}`: {"feeAddress", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"operatorWalletAddress":"me"}`:                                                  {"operatorWalletAddress", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"defaultPreApprovalExpiry":0}`:                                                  {"defaultPreApprovalExpiry", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"defaultPreApprovalExpiry":1.5}`:                                                {"defaultPreApprovalExpiry", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"defaultPreApprovalExpiry":"60"}`:                                               {"defaultPreApprovalExpiry", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"defaultAuthorizationExpiry":-1}`:                                               {"defaultAuthorizationExpiry", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"defaultAuthorizationExpiry":9999999999999}`:                                    {"defaultAuthorizationExpiry", ""},
		`{"label":"a","allowedDomains":["https://a.example"],"payeeDestinationId":"here"}`:                                                   {"payeeDestinationId", ""},
		`{"label":"a","label":"b","allowedDomains":["https://a.example"]}`:                                                                   {"label", ""},
	} {
		refuses(t, body, w.API(http.MethodPost, clientIDs, body), http.StatusBadRequest, want[1], want[0])
	}
	for _, body := range []string{"", "{", "[]", "null", `"x"`} {
		if r := w.API(http.MethodPost, clientIDs, body, "Content-Type: application/json"); r.Status != http.StatusBadRequest {
			t.Errorf("%q: got %d", body, r.Status)
		}
	}
	all, err := w.App.Store.Credentials(t.Context(), w.Merchant)
	if err != nil || len(all) != 1 {
		t.Errorf("what was refused left something: %v, %v", all, err)
	}

	made := w.API(http.MethodPost, clientIDs, `{"label":"a","allowedDomains":["https://a.example"]}`).Want(http.StatusCreated).JSON()
	path := clientIDs + "/" + str(made["id"])
	for body, field := range map[string]string{
		`{"feePercentage":"1"}`: "feeAddress", `{"label":"","feePercentage":null}`: "label", `{"allowedDomains":[]}`: "allowedDomains", `{"status":"gone"}`: "status",
		`{"status":"Active"}`: "status", `{"defaultPreApprovalExpiry":0}`: "defaultPreApprovalExpiry", `{"payeeDestinationId":"x"}`: "payeeDestinationId",
	} {
		refuses(t, "change "+body, w.API(http.MethodPut, path, body), http.StatusBadRequest, "", field)
	}
	holds(t, "after refused changes", w.API(http.MethodGet, path, "").Want(http.StatusOK).JSON(), map[string]any{"label": "a", "feePercentage": nil, "status": "active", "updatedAt": nil})
}

func TestClientIDsOfOthers(t *testing.T) {
	w := webtest.New(t)
	made := w.API(http.MethodPost, clientIDs, `{"label":"a","allowedDomains":["`+shop+`"]}`).Want(http.StatusCreated).JSON()
	other := "X-Api-Key: " + w.AddMerchant("Other")
	keys, err := w.App.Store.Credentials(t.Context(), w.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{str(made["id"]), str(made["clientId"]), keys[0].ID, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "%00", "..%2f", strings.Repeat("9", 300)} {
		key := other
		if id != made["id"] {
			key = "X-Api-Key: " + w.APIKey // not a client id's id even for its owner
		}
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			body := map[string]string{http.MethodPut: `{"label":"mine now"}`}[method]
			refuses(t, method+" "+id, w.Do(method, clientIDs+"/"+id, body, key), http.StatusNotFound, "Client ID not found", "")
		}
	}
	if got := w.Do(http.MethodGet, clientIDs, "", other).Want(http.StatusOK); string(got.Body) != "[]\n" {
		t.Errorf("another merchant's list: %s", got.Body)
	}
	// A client id is public and manages nothing, its own settings least of all.
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		w.Do(method, clientIDs+"/"+str(made["id"]), `{"status":"revoked"}`, "X-Client-Id: "+str(made["clientId"]), "Origin: "+shop).Want(http.StatusForbidden)
	}
	w.Do(http.MethodGet, clientIDs, "").Want(http.StatusUnauthorized)
	w.Do(http.MethodPost, clientIDs, `{"label":"a","allowedDomains":["`+shop+`"]}`).Want(http.StatusUnauthorized)
	holds(t, "afterwards", w.API(http.MethodGet, clientIDs+"/"+str(made["id"]), "").Want(http.StatusOK).JSON(), map[string]any{"label": "a", "status": "active"})
}

// A backend's client id has no domains. It comes over the older address, and pays
// where it is bound to.
func TestClientIDsOfBackends(t *testing.T) {
	w := webtest.New(t)
	signedIn := bearer(t, w, w.Merchant, payee)
	refuses(t, "over v2", w.API(http.MethodPost, clientIDs, `{"label":"b","allowedDomains":[]}`), http.StatusBadRequest, "", "allowedDomains")
	made := w.Do(http.MethodPost, "/v1/client-ids", `{"label":"b"}`, signedIn).Want(http.StatusCreated).JSON()
	holds(t, "made", made, map[string]any{"allowedDomains": []any{}, "payeeDestinationId": nil})
	id := "X-Client-Id: " + str(made["clientId"])
	body := `{"requests":[{"amount":"5"}]}`
	w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden)
	destination := addDestination(t, w)
	w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden) // a destination it is not bound to
	bind := func(path, to string) webtest.Response {
		return w.API(http.MethodPut, path+"/"+str(made["id"]), fmt.Sprintf(`{"payeeDestinationId":%s}`, to))
	}
	holds(t, "bound", bind("/v1/client-ids", `"`+destination+`"`).Want(http.StatusOK).JSON(), map[string]any{"payeeDestinationId": destination, "allowedDomains": []any{}})
	paid := w.Do(http.MethodPost, route, body, id).Want(http.StatusCreated).JSON()
	if got := w.Load(str(paid["token"])).Terms.Requests[0].Payee.String(); got != payee {
		t.Errorf("paid to %s", got)
	}
	// It stays a backend's when something else about it changes, over either address.
	holds(t, "renamed", w.API(http.MethodPut, clientIDs+"/"+str(made["id"]), `{"label":"c","allowedDomains":[]}`).Want(http.StatusOK).JSON(), map[string]any{"label": "c"})
	holds(t, "unbound", bind(clientIDs, "null").Want(http.StatusOK).JSON(), map[string]any{"payeeDestinationId": nil})
	w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden)

	other := "X-Api-Key: " + w.AddMerchant("Other")
	refuses(t, "bound to another merchant's", w.Do(http.MethodPost, "/v1/client-ids", `{"label":"b","payeeDestinationId":"`+destination+`"}`, other),
		http.StatusBadRequest, "payeeDestinationId is none of your active payee destinations.", "payeeDestinationId")
	refuses(t, "bound with a wrong checksum", bind(clientIDs, `"`+regexp.MustCompile(`#.{8}`).ReplaceAllString(destination, "#00000000")+`"`), http.StatusBadRequest, "", "payeeDestinationId")
}

// The same request with the same key makes one client id.
func TestClientIDsOnce(t *testing.T) {
	w := webtest.New(t)
	body := `{"label":"a","allowedDomains":["` + shop + `"]}`
	first := w.API(http.MethodPost, clientIDs, body, "Idempotency-Key: k").Want(http.StatusCreated)
	second := w.API(http.MethodPost, clientIDs, body, "Idempotency-Key: k").Want(http.StatusCreated)
	if string(first.Body) != string(second.Body) || second.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat got %s, want %s", second.Body, first.Body)
	}
	w.API(http.MethodPost, clientIDs, strings.Replace(body, `"a"`, `"b"`, 1), "Idempotency-Key: k").Want(http.StatusUnprocessableEntity)
	all, err := w.App.Store.Credentials(t.Context(), w.Merchant)
	made := slices.DeleteFunc(all, func(c merchant.Credential) bool { return c.Kind != merchant.ClientID })
	if err != nil || len(made) != 1 {
		t.Errorf("%d client ids, %v, want one", len(made), err)
	}
}
