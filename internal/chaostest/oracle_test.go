//go:build linux

package chaostest

import (
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// paidOnce is a payment as it should be: one transfer, one event, one webhook.
func paidOnce() (*order, *kept) {
	o := &order{shop: &shop{dialect: request, id: "m"}, key: "k", id: "p", plan: exact, sent: []sent{{"0xa", big.NewInt(7)}}}
	k := &kept{
		id: "p", state: "paid", transfers: []transfer{{tx: "0xa", stage: "final", rail: "evmref", amount: big.NewInt(7)}},
		events: map[string]int{"paid": 1}, messages: map[string]int{"paid": 2},
	}
	return o, k
}

func yes(string) bool { return true }

func TestOracleTakesWhatIsRight(t *testing.T) {
	if o, k := paidOnce(); len(o.compare(k, yes)) > 0 {
		t.Errorf("%q", o.compare(k, yes))
	}
}

func TestOracleRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*order, *kept){
		"a transfer that was lost":        func(_ *order, k *kept) { k.transfers = nil },
		"one that was credited twice":     func(_ *order, k *kept) { k.transfers = append(k.transfers, k.transfers[0]) },
		"another amount":                  func(_ *order, k *kept) { k.transfers[0].amount = big.NewInt(8) },
		"one that nobody sent":            func(_ *order, k *kept) { k.transfers[0].tx = "0xb" },
		"one that is not final":           func(_ *order, k *kept) { k.transfers[0].stage = "pending" },
		"another token":                   func(_ *order, k *kept) { k.id = "q" },
		"a state that lags":               func(_ *order, k *kept) { k.state = "open" },
		"an event that is missing":        func(_ *order, k *kept) { k.events["paid"] = 0 },
		"an event twice":                  func(_ *order, k *kept) { k.events["paid"], k.messages["paid"] = 2, 4 },
		"a webhook that was never made":   func(_ *order, k *kept) { k.messages["paid"] = 0 },
		"a webhook that never arrived":    func(_ *order, k *kept) { k.untold = []string{"webhook"} },
		"a bank transfer nobody approved": func(o *order, k *kept) { o.shop.dialect = secpaid; k.transfers[0].rail = "sepa"; o.sent = nil },
	} {
		o, k := paidOnce()
		spoil(o, k)
		if len(o.compare(k, yes)) == 0 {
			t.Errorf("%s: nothing was said", name)
		}
	}
	o, k := paidOnce()
	if len(o.compare(k, func(string) bool { return false })) == 0 {
		t.Error("a transfer that is not on the chain: nothing was said")
	}
}

func TestWebhooksAreTold(t *testing.T) {
	for _, c := range []struct {
		state, job string
		taken      bool
		want       bool
	}{
		{"delivered", "", true, true}, {"delivered", "ready", true, true}, {"queued", "ready", true, true},
		{"delivered", "", false, false}, {"queued", "ready", false, false}, {"queued", "", true, false}, {"queued", "buried", true, false}, {"exhausted", "", true, false},
	} {
		if got := told(c.state, c.job, c.taken); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

func TestCentsAreCompared(t *testing.T) {
	for _, c := range []struct {
		inner, cents int64
		want         bool
	}{{500_0000, 500, true}, {500, 500, true}, {0, 0, true}, {500_0000, 0, false}, {0, 500, false}, {1000_0000, 500, false}, {501_0000, 500, false}} {
		if got := sameCents(big.NewInt(c.inner), big.NewInt(c.cents)); got != c.want {
			t.Errorf("%d and %d cents: %t", c.inner, c.cents, got)
		}
	}
}

func TestProcessIsStartedAgainAndGoneWithItsTest(t *testing.T) {
	var pid int
	t.Run("a process", func(t *testing.T) {
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		p := &process{name: "sleeper", by: newSpawner(t), log: log, report: t.Errorf, command: func() *exec.Cmd { return exec.Command("sleep", "60") }}
		p.supervise(t)
		await(t, "a start", func() bool { return p.running() != 0 })
		first := p.running()
		if !p.kill() {
			t.Error("there was nothing to kill")
		}
		await(t, "another start", func() bool { pid = p.running(); return pid != 0 && pid != first })
		if n := p.endedAlone(); n != 0 {
			t.Errorf("it ended %d times by itself", n)
		}
		p.signal(syscall.SIGSTOP)
	})
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the process outlived its test")
	}
}

func TestDiskIsFullAndEmptyAgain(t *testing.T) {
	var dir string
	t.Run("a disk", func(t *testing.T) {
		d := newDisk(t, 4<<20)
		if dir = d.dir; !d.own {
			t.Skip("mounting is not allowed here")
		}
		if err := d.fill(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.dir, "more"), make([]byte, 8192), 0o600); err == nil {
			t.Error("there was room on a full disk")
		}
		if err := d.free(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.dir, "more"), make([]byte, 8192), 0o600); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestSpread(t *testing.T) {
	if got := spread([]time.Duration{3 * time.Second, time.Second, 2 * time.Second}); !strings.HasPrefix(got, "p50 2s, p99 2s, max 3s") {
		t.Error(got)
	}
}
