package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/faultproxytest"
	"quittance/internal/official"
	"quittance/internal/webhook/webhooktest"
)

// rig is an operator's installation: a configuration, a database, a chain that
// says it is Base, and the program as a process of its own.
type rig struct {
	t      *testing.T
	exe    string
	config string
	url    string
	chain  *chaintest.Chain
	key    string
	cmd    *exec.Cmd
	said   *bytes.Buffer
}

const realBase = asset.ChainID(8453)

// asBase is a chain with Base's id and, at the official addresses, contracts
// that behave as the official ones do.
func asBase(t *testing.T, more ...chaintest.Option) *chaintest.Chain {
	t.Helper()
	workshop := chaintest.New(t)
	options := append([]chaintest.Option{chaintest.WithID(uint64(realBase))}, more...)
	for _, c := range official.Default().Contracts(realBase) {
		ours, ok := official.Default().Contract(chaintest.DefaultID, c.Kind)
		if !ok {
			t.Fatalf("the sandbox has no %s", c.Kind)
		}
		var text string
		if err := workshop.Client().Call(&text, "eth_getCode", ours.Address.String(), "latest"); err != nil {
			t.Fatal(err)
		}
		code, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil || len(code) == 0 {
			t.Fatalf("code of %s: %d bytes, %v", c.Kind, len(code), err)
		}
		options = append(options, chaintest.WithCode(c.Address.String(), code, nil))
	}
	return chaintest.New(t, options...)
}

func newRig(t *testing.T) *rig { return newRigWith(t, "") }

// newRigWith is a rig with more settings, and more in its chain's genesis block.
func newRigWith(t *testing.T, settings string, options ...chaintest.Option) *rig {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	listen := faultproxytest.KeptPorts(t, 1)[0]
	r := &rig{t: t, exe: exe, chain: asBase(t, options...), url: "http://" + listen, config: filepath.Join(t.TempDir(), "quittance.yaml")}
	r.chain.Mine(2)
	text := fmt.Sprintf(`
base_url: %s
listen: %s
database: sqlite:%s
keys: [BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=]
webhooks: {allow_loopback: true}
routing: {base_url: "http://127.0.0.1:1/v1"}
chains:
  base: {rpc: [%q, %q], confirmations: 2, start_block: 1}
`, r.url, listen, filepath.Join(filepath.Dir(r.config), "q.db"), r.chain.URL()+"/a", r.chain.URL()+"/b") + settings
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run("doctor", "--pin")
	return r
}

// run runs a command to its end and returns its first line of JSON.
func (r *rig) run(args ...string) map[string]any {
	r.t.Helper()
	out, stderr, err := r.say("", args...)
	if err != nil {
		r.t.Fatalf("quittance %v: %v\n%s%s", args, err, out, stderr)
	}
	var v map[string]any
	_ = json.NewDecoder(bytes.NewReader(out)).Decode(&v) // not every command answers with an object
	return v
}

// say runs a command to its end, whatever that is, with some text as its standard input.
func (r *rig) say(stdin string, args ...string) (stdout []byte, stderr string, err error) {
	c := exec.Command(r.exe, append(args, "--json", "--config", r.config)...)
	c.Args[0] = "quittance"
	var said bytes.Buffer
	c.Stdin, c.Stderr = strings.NewReader(stdin), &said
	out, err := c.Output()
	return out, said.String(), err
}

func (r *rig) start() {
	r.t.Helper()
	r.said = &bytes.Buffer{}
	r.cmd = exec.Command(r.exe, "serve", "--config", r.config)
	r.cmd.Args[0] = "quittance"
	r.cmd.Stderr, r.cmd.Stdout = r.said, r.said
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.kill)
	r.await("the server to be ready", func() bool {
		resp, err := http.Get(r.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill is kill -9: nothing is flushed, nothing is closed.
func (r *rig) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // says that it was killed
	}
}

func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	r.awaitFor(what, time.Minute, ok)
}

func (r *rig) awaitFor(what string, patience time.Duration, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.kill()
			r.t.Fatalf("waited too long for %s\n%s", what, r.said)
		}
	}
}

// call asks the API. status is 0 if the server was gone before it answered.
func (r *rig) call(method, path, body, idempotency string) (status int, answer map[string]any) {
	req, err := http.NewRequest(method, r.url+"/v2/secure-payments"+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0, nil
	}
	req.Header.Set("X-Api-Key", r.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if idempotency != "" {
		req.Header.Set("Idempotency-Key", idempotency)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(b, &answer) != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

const ether = `{"requests":[{"payee":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e","paymentCurrency":"ETH-base","amount":"0.001"}]}`

func (r *rig) create(idempotency string) string {
	r.t.Helper()
	status, made := r.call(http.MethodPost, "", ether, idempotency)
	token, _ := made["token"].(string)
	if status != http.StatusCreated || token == "" {
		r.t.Fatalf("create: %d %v\n%s", status, made, r.said)
	}
	return token
}

// pay signs what the API hands out and sends it to the chain.
func (r *rig) pay(token string) (tx string) {
	r.t.Helper()
	var status int
	var answer map[string]any
	r.await("calldata", func() bool { // the code is read in the background after a start
		status, answer = r.call(http.MethodGet, "/"+token+"/pay?wallet="+r.chain.Wallet.Address(), "", "")
		return status != http.StatusServiceUnavailable
	})
	txs, _ := answer["transactions"].([]any)
	if status != http.StatusOK || len(txs) != 1 {
		r.t.Fatalf("calldata: %d %v", status, answer)
	}
	call, _ := txs[0].(map[string]any)
	to, _ := call["to"].(string)
	data, _ := call["data"].(string)
	amount, _ := call["value"].(string)
	value, ok := new(big.Int).SetString(strings.TrimPrefix(amount, "0x"), 16)
	raw, err := hex.DecodeString(strings.TrimPrefix(data, "0x"))
	if err != nil || !ok {
		r.t.Fatalf("transaction: %v", call)
	}
	return r.chain.Send(to, value, raw)
}

// TestKilledInTheMiddle kills the server while payments are created, seen,
// made final and told, again and again. After the last start every payment is
// paid, none was announced under two ids, and keys still answer what they did.
func TestKilledInTheMiddle(t *testing.T) {
	r := newRig(t)
	m := r.run("merchant", "create", "Shop")
	id, _ := m["id"].(string)
	r.key, _ = r.run("apikey", "create", "--merchant", id)["secret"].(string)
	hooks := webhooktest.New(t, "")
	r.run("webhook", "add", hooks.URL, "--merchant", id)

	random := rand.New(rand.NewPCG(1, 2))
	var tokens []string
	answered := map[string]string{} // idempotency key to token
	for round := range 8 {
		r.start()
		token := r.create("")
		tokens = append(tokens, token)
		tx := r.pay(token)
		r.chain.Mine(1 + round%3)
		_, _ = r.call(http.MethodPost, "/"+token+"/intent", fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"ETH"}`, tx), "")
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				key := fmt.Sprintf("round-%d-%d", round, i)
				status, made := r.call(http.MethodPost, "", ether, key)
				mu.Lock()
				defer mu.Unlock()
				answered[key] = ""
				if status == http.StatusCreated {
					answered[key], _ = made["token"].(string)
				}
			})
		}
		<-time.After(time.Duration(random.IntN(120)) * time.Millisecond) // the moment of the blow
		r.kill()
		wg.Wait()
		r.chain.Mine(1)
	}
	r.chain.Mine(3)
	r.start()
	for _, token := range tokens {
		r.await("a payment to be paid", func() bool {
			status, _ := r.call(http.MethodGet, "/"+token, "", "")
			return status == http.StatusConflict
		})
	}
	for key, token := range answered {
		if again := r.create(key); token != "" && again != token {
			t.Errorf("key %s answered %s and after a crash %s", key, token, again)
		}
	}
	confirmed := func() map[string]map[string]bool {
		ids := map[string]map[string]bool{}
		for _, d := range hooks.Received() {
			var body struct {
				Event string `json:"event"`
				Token string `json:"securePaymentToken"`
			}
			if err := json.Unmarshal(d.Body, &body); err != nil {
				t.Fatal(err)
			}
			name := body.Event + " " + body.Token
			if ids[name] == nil {
				ids[name] = map[string]bool{}
			}
			ids[name][d.ID] = true
		}
		return ids
	}
	// What a killed server was about to deliver is its own for some seconds.
	r.awaitFor("every webhook", 2*time.Minute, func() bool { return len(confirmed()) >= 2*len(tokens) })
	for name, ids := range confirmed() {
		if len(ids) != 1 {
			t.Errorf("%s was announced under %d ids", name, len(ids))
		}
		if !strings.HasPrefix(name, "payment.confirmed") {
			t.Errorf("unexpected: %s", name)
		}
	}
}
