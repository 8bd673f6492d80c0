//go:build !nosandbox

package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// imported is what the demo's bank answers.
type imported struct {
	Bookings []struct {
		Amount, Outcome, Payment string
		Counts                   bool
	}
	Error, Field string
}

// send posts a body to the demo's bank.
func (d *demo) send(kind, body string, headers ...string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.Sandbox.BankURL+"/import", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// books posts a body and wants one booking with an outcome.
func (d *demo) books(outcome, kind, body string) {
	d.t.Helper()
	var got imported
	status, text := d.send(kind, body)
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK || len(got.Bookings) != 1 || got.Bookings[0].Outcome != outcome {
		d.t.Errorf("want %s: status %d %s", outcome, status, text)
	}
}

// page is the status of a page.
func (d *demo) page(at string) int {
	d.t.Helper()
	answer, _ := d.see(at, "")
	return answer.StatusCode
}

// statement fetches what the demo's bank writes.
func (d *demo) statement(of url.Values) (int, string) {
	d.t.Helper()
	answer, text := d.see(d.Sandbox.StatementURL+"?"+of.Encode(), "")
	return answer.StatusCode, text
}

func TestTheDemosLinkIsPaidByBank(t *testing.T) {
	d := startDemo(t, "")
	link := d.Samples.Link
	if d.page(link) != http.StatusOK || d.page(d.Samples.Split) != http.StatusOK {
		t.Fatalf("the links %s and %s do not open", link, d.Samples.Split)
	}
	const form = "application/x-www-form-urlencoded"
	d.books("less", form, url.Values{"link_id": {link}, "amount": {"10,00"}}.Encode())
	d.books("no_reference", "application/json", `{"amount":"49.99","text":"thanks"}`)
	d.books("unknown_reference", "application/json", `{"amount":"49.99","text":"RF18 5390 0754 7034"}`)
	if d.page(link) != http.StatusOK {
		t.Error("a part has closed the link")
	}
	for _, version := range []string{"camt.053.001.02", "camt.053.001.08"} {
		status, rest := d.statement(url.Values{"link_id": {link[strings.Index(link, "link_id=")+len("link_id="):]}, "version": {version}})
		if status != http.StatusOK || !strings.Contains(rest, version) || !strings.Contains(rest, ">39.99<") {
			t.Errorf("version %s: status %d %s", version, status, rest)
		}
	}
	_, rest := d.statement(url.Values{"link_id": {link}})
	d.books("exact", "application/xml", rest)
	d.books("repeated", "application/xml", rest)
	if status := d.page(link); status != http.StatusConflict {
		t.Errorf("a paid link's page: status %d", status)
	}
	if status, _ := d.statement(url.Values{"link_id": {link}}); status != http.StatusBadRequest {
		t.Errorf("a statement of nothing: status %d", status)
	}
	d.books("not_open", "application/json", `{"link_id":"`+link+`","amount":"1"}`)
	type message struct {
		Event string
		Body  struct {
			Data struct {
				Amount json.Number
				Status string
				Note   string
			}
		}
	}
	var heard []message
	d.until("the merchant has heard of it", func() bool {
		var sent []message // of the other samples too
		d.ask(http.MethodGet, d.BaseURL+"/sandbox/webhooks", nil, &sent)
		heard = slices.DeleteFunc(sent, func(m message) bool { return m.Event != "link.success" })
		return len(heard) > 0
	})
	if x := heard[0]; len(heard) != 1 || x.Body.Data.Amount != "49.99" || x.Body.Data.Status != "Success" || x.Body.Data.Note != "Invoice #1234" {
		t.Errorf("the merchant has heard %+v", heard)
	}
}

// form is a statement as a browser sends it.
func form(t *testing.T, file string) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "statement.xml")
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func TestTheDemosBankIsAPage(t *testing.T) {
	d := startDemo(t, "")
	answer, text := d.see(d.Sandbox.BankURL, "")
	if answer.StatusCode != http.StatusOK || !strings.Contains(text, "DE89 3704 0044 0532 0130 00") || strings.Contains(text, "<script") {
		t.Errorf("status %d %s", answer.StatusCode, text)
	}
	status, file := d.statement(url.Values{"link_id": {d.Samples.Link}, "amount": {"1049.99"}})
	if status != http.StatusOK {
		t.Fatalf("status %d %s", status, file)
	}
	kind, body := form(t, file)
	status, text = d.send(kind, body, "Accept: text/html,*/*", "Origin: "+d.BaseURL)
	if status != http.StatusOK || strings.Count(text, `data-outcome="more"`) != 2 || !strings.Contains(text, "1,049.99 EUR") || !strings.Contains(text, "/payment?link_id=") {
		t.Errorf("a file: status %d %s", status, text)
	}
	kind, body = form(t, "<html>")
	status, text = d.send(kind, body, "Accept: text/html")
	if status != http.StatusBadRequest || !strings.Contains(text, "bank-problem") {
		t.Errorf("a broken file: status %d %s", status, text)
	}
	// What was typed is there again, and cannot leave its place.
	status, text = d.send("application/x-www-form-urlencoded", url.Values{"link_id": {`"><script>`}, "amount": {"many"}}.Encode(), "Accept: text/html")
	if status != http.StatusNotFound || !strings.Contains(text, `value="&#34;&gt;&lt;script&gt;"`) || !strings.Contains(text, `value="many"`) || strings.Contains(text, "<script") {
		t.Errorf("a hostile form: status %d %s", status, text)
	}
}

func TestTheDemosBankRefuses(t *testing.T) {
	d := startDemo(t, "")
	link := d.Samples.Link
	const js = "application/json"
	for what, x := range map[string]struct {
		kind, body string
		headers    []string
		status     int
		field      string
	}{
		"no link":          {js, `{"link_id":"MTIzNDU2Nzg5MDEyMzQ1Ng==","amount":"1"}`, nil, http.StatusNotFound, "link_id"},
		"another payment":  {js, `{"link_id":"` + d.Samples.Deposit + `","amount":"1"}`, nil, http.StatusNotFound, "link_id"},
		"a shared link":    {js, `{"link_id":"` + d.Samples.Split + `"}`, nil, http.StatusBadRequest, "link_id"},
		"no amount":        {js, `{"text":"x"}`, nil, http.StatusBadRequest, "amount"},
		"nothing":          {js, `{"link_id":"` + link + `","amount":"0"}`, nil, http.StatusBadRequest, "amount"},
		"less than that":   {js, `{"link_id":"` + link + `","amount":"-1"}`, nil, http.StatusBadRequest, "amount"},
		"half a cent":      {js, `{"link_id":"` + link + `","amount":"0.005"}`, nil, http.StatusBadRequest, "amount"},
		"all money":        {js, `{"link_id":"` + link + `","amount":"1000000000"}`, nil, http.StatusBadRequest, "amount"},
		"another version":  {js, `{"link_id":"` + link + `","version":"camt.052.001.08"}`, nil, http.StatusBadRequest, "version"},
		"a long text":      {js, `{"amount":"1","text":"` + strings.Repeat("x", 281) + `"}`, nil, http.StatusBadRequest, "text"},
		"no statement":     {"application/xml", "<a/>", nil, http.StatusBadRequest, "file"},
		"no type":          {"", "x", nil, http.StatusBadRequest, ""},
		"another site":     {js, `{"link_id":"` + link + `"}`, []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, http.StatusForbidden, ""},
		"another host":     {js, `{"link_id":"` + link + `"}`, []string{"Host: sandbox.example:80"}, http.StatusForbidden, ""},
		"half a multipart": {"multipart/form-data; boundary=x", "--x", nil, http.StatusBadRequest, ""},
	} {
		status, text := d.send(x.kind, x.body, x.headers...)
		var got imported
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != x.status || got.Field != x.field {
			t.Errorf("%s: status %d %s", what, status, text)
		}
	}
	if d.page(link) != http.StatusOK {
		t.Error("the link is not open any more")
	}
}

// A directory of a demo that knew no links is gone on with.
func TestADemoLearnsOfLinks(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, dir)
	link := first.Samples.Link
	first.stop()
	file := filepath.Join(dir, "demo.json")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]any
	if err := json.Unmarshal(b, &kept); err != nil {
		t.Fatal(err)
	}
	delete(kept, "partnerId")
	delete(kept, "partnerToken")
	if b, err = json.Marshal(kept); err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	second := startDemo(t, dir)
	if second.Merchant.Partner.SecPaidToken == "" || second.Merchant.Partner.SecPaidToken == first.Merchant.Partner.SecPaidToken {
		t.Errorf("the partner's token is %q", second.Merchant.Partner.SecPaidToken)
	}
	// The earlier link is paid on, and the new ones work.
	for _, at := range []string{second.BaseURL + link[len(first.BaseURL):], second.Samples.Link, second.Samples.Split} {
		if status := second.page(at); status != http.StatusOK {
			t.Errorf("%s: status %d", at, status)
		}
	}
	second.books("exact", "application/json", `{"link_id":"`+second.BaseURL+link[len(first.BaseURL):]+`"}`)
	token := second.Merchant.Partner.SecPaidToken
	second.stop()
	if third := startDemo(t, dir); third.Merchant.Partner.SecPaidToken != token {
		t.Error("the partner's token changed over a restart")
	}
}
