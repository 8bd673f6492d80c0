package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// noSockets is the command without sockets, where that can be had: see withoutSockets.
const noSockets = "quittance-without-sockets"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quittance": main, noSockets: withoutSockets})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			busy, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = busy.Close() })
			e.Setenv("BUSY", busy.Addr().String())
			return nil
		},
	})
}

// TestDemo starts the demo as a user does, reads its one line, pays nothing,
// and stops it by signal.
func TestDemo(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first := startDemo(t, exe, dir)
	for name, url := range map[string]string{"page": first.SecurePaymentURL, "page of a deposit": first.Samples.Deposit, "page of a link": first.Samples.Link, "page of a shared link": first.Samples.Split, "bank": first.Sandbox.BankURL, "ready": first.BaseURL + "/readyz", "stories": first.BaseURL + "/storybook"} {
		r, err := http.Get(url)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, r.StatusCode)
		}
	}
	first.operate(t, exe)
	first.bank(t, exe)
	first.stop(t)
	// The same directory gives the same keys, and yesterday's link still opens.
	second := startDemo(t, exe, dir)
	if second.Merchant["apiKey"] != first.Merchant["apiKey"] {
		t.Error("the API key changed over a restart")
	}
	token := first.SecurePaymentURL[strings.Index(first.SecurePaymentURL, "?"):]
	r, err := http.Get(second.BaseURL + "/" + token)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("kept payment: status %d", r.StatusCode)
	}
	second.stop(t)
}

type demo struct {
	BaseURL          string         `json:"baseUrl"`
	Merchant         map[string]any `json:"merchant"`
	Payer            map[string]any `json:"payer"`
	Chains           []any          `json:"chains"`
	SecurePaymentURL string         `json:"securePaymentUrl"`
	Samples          struct {
		Deposit string `json:"deposit"`
		Link    string `json:"link"`
		Split   string `json:"split"`
	} `json:"samples"`
	Sandbox struct {
		ExchangeURL  string `json:"exchangeUrl"`
		BankURL      string `json:"bankUrl"`
		StatementURL string `json:"statementUrl"`
	} `json:"sandbox"`
	ConfigFile string `json:"configFile"`

	cmd    *exec.Cmd
	stderr *bytes.Buffer
	rest   chan string
}

func startDemo(t *testing.T, exe, dir string) *demo {
	t.Helper()
	d := &demo{stderr: &bytes.Buffer{}, rest: make(chan string, 1)}
	d.cmd = exec.Command(exe, "demo", "--json", "--listen", "127.0.0.1:0", "--data", dir)
	d.cmd.Args[0] = "quittance"
	d.cmd.Stderr = d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	line := make(chan []byte, 1)
	go func() {
		dec := json.NewDecoder(out)
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			raw = nil
		}
		line <- raw
		var more json.RawMessage
		if dec.Decode(&more) == nil {
			d.rest <- string(more)
			return
		}
		d.rest <- ""
	}()
	select {
	case raw := <-line:
		if err := json.Unmarshal(raw, d); err != nil {
			t.Fatalf("first line %q: %v\n%s", raw, err, d.stderr)
		}
	case <-time.After(3 * time.Minute):
		t.Fatalf("the demo did not become ready\n%s", d.stderr)
	}
	for name, v := range map[string]any{"apiKey": d.Merchant["apiKey"], "clientId": d.Merchant["clientId"], "allowedOrigin": d.Merchant["allowedOrigin"],
		"webhookSecret": d.Merchant["webhookSecret"], "spacepaySecretKey": d.Merchant["spacepaySecretKey"], "secpaidToken": d.Merchant["secpaidToken"],
		"payer": d.Payer["address"], "privateKey": d.Payer["privateKey"]} {
		if s, _ := v.(string); s == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if len(d.Chains) != 2 {
		t.Errorf("got %d chains, want 2", len(d.Chains))
	}
	return d
}

// operate uses the operator's commands on a running demo: what its exchange sends to a
// deposit address is found there. The demo's chains are served by nothing else.
func (d *demo) operate(t *testing.T, exe string) {
	t.Helper()
	const first = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" // of the printed key
	r, err := http.Post(d.Sandbox.ExchangeURL+"/base", "application/json", strings.NewReader(`{"to":"`+first+`","asset":"USDT","amount":"7.5","how":"batch"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("the exchange: status %d", r.StatusCode)
	}
	run := func(args ...string) (string, error) {
		c := exec.Command(exe, append([]string{"--config", d.ConfigFile}, args...)...)
		c.Args[0] = "quittance"
		out, err := c.CombinedOutput()
		return string(out), err
	}
	want := "base  7.5 USDT-base on 1 addresses\n"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		out, err := run("sweep", "list")
		if err != nil {
			t.Fatalf("sweep list: %v\n%s", err, out)
		}
		if strings.HasPrefix(out, want) && strings.Contains(out, first+"  m/44'/60'/0'/0/0") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("listed:\n%s", out)
		}
	}
	if out, err := run("serve"); err == nil || !strings.Contains(out, "only `quittance demo` serves") {
		t.Errorf("a sandbox was served: %v\n%s", err, out)
	}
}

// bank reads statements of the demo's bank with the operator's commands: its link is paid in
// two parts, the second one out of an archive; what names nobody is left to a person.
func (d *demo) bank(t *testing.T, exe string) {
	t.Helper()
	statement := func(query url.Values) []byte {
		t.Helper()
		r, err := http.Get(d.Sandbox.StatementURL + "?" + query.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("a statement: status %d %v %s", r.StatusCode, err, b)
		}
		return b
	}
	run := func(in []byte, want int, args ...string) string {
		t.Helper()
		c := exec.Command(exe, append([]string{"--config", d.ConfigFile}, args...)...)
		c.Args[0], c.Stdin = "quittance", bytes.NewReader(in)
		out, err := c.CombinedOutput()
		if got := c.ProcessState.ExitCode(); got != want {
			t.Errorf("%v: exit status %d, want %d: %v\n%s", args, got, want, err, out)
		}
		return string(out)
	}
	says := func(out, want string) {
		t.Helper()
		if !strings.Contains(out, want) {
			t.Errorf("said, without %q:\n%s", want, out)
		}
	}
	part := statement(url.Values{"link_id": {d.Samples.Link}, "amount": {"20"}})
	says(run(part, 0, "bank", "import", "-"), "20.00 EUR  less ")
	rest := statement(url.Values{"link_id": {d.Samples.Link}, "version": {"camt.053.001.02"}})
	nobodys := statement(url.Values{"text": {"thanks"}, "amount": {"3"}})
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for name, b := range map[string][]byte{"a.xml": part, "b.xml": rest, "c.xml": nobodys, "readme.txt": []byte("x")} {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out := run(archive.Bytes(), 3, "bank", "import", "-")
	for _, want := range []string{"b.xml: camt.053.001.02", "29.99 EUR  exact ", "of which 29.99 EUR were missing", "20.00 EUR  repeated", "3.00 EUR  no_reference", "no statement  readme.txt", "For you to decide: 1 booking."} {
		says(out, want)
	}
	says(run(archive.Bytes()[:archive.Len()/2], 1, "bank", "import", "-"), "nothing was recorded: ")
	says(run(nil, 0, "payment", "show", d.Samples.Link), "  paid, none  never expires\n")
	more := statement(url.Values{"link_id": {d.Samples.Link}, "amount": {"1"}})
	says(run(more, 0, "bank", "import", "-"), "1.00 EUR  not_open ")
	merchant, _ := d.Merchant["id"].(string)
	says(run(nil, 1, "bank", "confirm", d.Samples.Link, "--merchant", merchant, "--amount", "1"), "already_paid")
	refunded := []string{"payment", "refunded", d.Samples.Link, "--merchant", merchant, "--asset", "EUR", "--tx", "too much", "--amount"}
	says(run(nil, 0, append(refunded, "1.00")...), "recorded\n")
	says(run(nil, 0, append(refunded, "1")...), "recorded before")
	says(run(nil, 1, append(refunded, "2")...), "refund_differs")
	says(run(nil, 1, append(refunded, "0.001")...), "2 decimals")
	says(run(nil, 1, append(refunded, "1", "--to", "0x0000000000000000000000000000000000000001")...), "leave it out")
}

func (d *demo) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if more := <-d.rest; more != "" {
		t.Errorf("more on standard output: %s", more)
	}
	done := make(chan error, 1)
	go func() { done <- d.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stopped with: %v\n%s", err, d.stderr)
		}
	case <-time.After(time.Minute):
		t.Error("the demo did not stop")
	}
}
