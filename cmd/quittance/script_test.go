package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quittance": main})
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
	for name, url := range map[string]string{"page": first.SecurePaymentURL, "ready": first.BaseURL + "/readyz", "stories": first.BaseURL + "/storybook"} {
		r, err := http.Get(url)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, r.StatusCode)
		}
	}
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
	case <-time.After(60 * time.Second):
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
	case <-time.After(20 * time.Second):
		t.Error("the demo did not stop")
	}
}
