//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"quittance/internal/asset"
	"quittance/internal/hdkey"
	"quittance/internal/sweep"
)

// withoutSockets runs the command in a process that the kernel kills when it opens a
// socket of any kind, on any of its threads (seccomp's filter mode).
func withoutSockets() {
	runtime.LockOSThread()
	const (
		prSetNoNewPrivs = 38
		setModeFilter   = 1
		everyThread     = 1 // SECCOMP_FILTER_FLAG_TSYNC
		load            = 0x20
		jumpIfEqual     = 0x15
		answer          = 0x06
		kill            = 0x80000000
		allow           = 0x7fff0000
	)
	seccomp := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH]
	type instruction struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	filter := []instruction{
		{load, 0, 0, 0}, // the call's number
		{jumpIfEqual, 0, 1, uint32(syscall.SYS_SOCKET)},
		{answer, 0, 0, kill},
		{answer, 0, 0, allow},
	}
	program := struct {
		length uint16
		filter *instruction
	}{uint16(len(filter)), &filter[0]}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		os.Exit(97)
	}
	if _, _, e := syscall.RawSyscall(seccomp, setModeFilter, everyThread, uintptr(unsafe.Pointer(&program))); e != 0 {
		os.Exit(98)
	}
	main()
}

// offline runs a command without sockets, with a configuration that cannot be read: who
// asks it, for a database or a chain, fails.
func offline(t *testing.T, dir, stdin string, args ...string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Args[0], c.Dir = noSockets, dir
	c.Env = append(os.Environ(), "QUITTANCE_CONFIG="+filepath.Join(dir, "none.yaml"))
	c.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	return out.String(), err
}

// Whatever needs the key opens no connection and no database: it is done in a process
// that would die of the first, and where no configuration says which the second is.
func TestTheKeyNeedsNoNetworkAndNoDatabase(t *testing.T) {
	dir := t.TempDir()
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := book.Chain(asset.Base)
	usdc, _ := book.Token("USDC-base")
	branch, err := hdkey.OpenBranch(testXPub)
	if err != nil {
		t.Fatal(err)
	}
	at, err := branch.Address(7)
	if err != nil {
		t.Fatal(err)
	}
	to, err := asset.ParseAddress(treasury)
	if err != nil {
		t.Fatal(err)
	}
	p, err := sweep.Make([]sweep.Holding{{Index: 7, Address: at, Native: big.NewInt(1e18), Tokens: []sweep.TokenHolding{{Token: usdc, Units: big.NewInt(5_250_000)}}}}, sweep.Terms{
		Chain: base, To: to, Path: branch.Path, Branch: "key", MaxFee: big.NewInt(1e9), Tip: big.NewInt(1), MadeAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := sweep.Write(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(stdin, want string, args ...string) {
		t.Helper()
		if out, err := offline(t, dir, stdin, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	try(testXPrv+"\npass\n", "account.json holds the key", "sweep", "key", "-o", "account.json")
	try("yes\npass\n", "moves        5.25 USDC-base", "sweep", "sign", "--key", "account.json", "plan.json", "-o", "signed.txt")
	try("", sweep.Fingerprint(text), "sweep", "export", "plan.json", "-o", "exchange.json")
	try("", "0 transactions are signed", "sweep", "attach", "plan.json", "exchange.json", "-o", "none.txt")
	signed, err := readSigned([]string{filepath.Join(dir, "signed.txt")})
	if err != nil {
		t.Fatal(err)
	}
	if ready, missing, err := p.Match(signed); err != nil || len(ready) != 2 || missing != 0 {
		t.Errorf("%d ready, %d missing, %v", len(ready), missing, err)
	}
	// No answer is a no; nothing that is there is overwritten; and the rest needs what these do not.
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"a no":            {"no\n", []string{"sweep", "sign", "--key", "account.json", "plan.json", "-o", "x"}, "nothing was done"},
		"no answer":       {"", []string{"sweep", "sign", "--key", "account.json", "plan.json", "-o", "x"}, "standard input ended"},
		"a wrong word":    {"yes\nwrong\n", []string{"sweep", "sign", "--key", "account.json", "plan.json", "-o", "x"}, "passphrase is wrong"},
		"nobody asked":    {"pass\n", []string{"sweep", "sign", "--yes", "--key", "account.json", "plan.json", "-o", "x"}, "say with --to"},
		"no bound of gas": {"pass\n", []string{"sweep", "sign", "--yes", "--to", treasury, "--key", "account.json", "plan.json", "-o", "x"}, "say with --max-gas"},
		"too much gas":    {"pass\n", []string{"sweep", "sign", "--yes", "--to", treasury, "--max-gas", "0.0001", "--key", "account.json", "plan.json", "-o", "x"}, "may cost 0.000121 ETH-base"},
		"gas in words":    {"pass\n", []string{"sweep", "sign", "--yes", "--to", treasury, "--max-gas", "little", "--key", "account.json", "plan.json", "-o", "x"}, "--max-gas"},
		"a key's file":    {testXPrv + "\npass\n", []string{"sweep", "key", "-o", "account.json"}, "exists"},
		"a public key":    {testXPub + "\npass\n", []string{"sweep", "key", "-o", "x"}, "extended private key"},
		"no passphrase":   {testXPrv + "\n\n", []string{"sweep", "key", "-o", "x"}, "without a passphrase"},
		"a configuration": {"", []string{"sweep", "list"}, "none.yaml does not exist"},
	} {
		out, err := offline(t, dir, c.stdin, c.args...)
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, testXPrv) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 5 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// terminal is a pseudo terminal: what is typed on the master's side, the command reads.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	const unlock, number = 0x40045431, 0x80045430 // TIOCSPTLCK, TIOCGPTN
	var lock, n int32
	for request, value := range map[uintptr]*int32{unlock: &lock, number: &n} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); e != 0 {
			t.Fatal(e)
		}
	}
	if slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// What is typed at a terminal is not shown there.
func TestTypedKeysAreNotShown(t *testing.T) {
	master, slave := terminal(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, "sweep", "key", "-o", filepath.Join(t.TempDir(), "account.json"))
	c.Args[0] = noSockets
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	until := func(text string) {
		t.Helper()
		for b := make([]byte, 1024); !strings.Contains(shown.String(), text); {
			n, err := master.Read(b)
			if shown.Write(b[:n]); err != nil {
				t.Fatalf("waiting for %q: %v\n%s", text, err, &shown)
			}
		}
	}
	for _, x := range []struct{ prompt, typed string }{
		{"it is not shown): ", testXPrv}, {"for the file: ", "opensesame"}, {"again: ", "opensesame"},
	} {
		until(x.prompt)
		if _, err := master.WriteString(x.typed + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	until("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(shown.String(), "xprv9") || strings.Contains(shown.String(), "opensesame") {
		t.Errorf("shown:\n%s", &shown)
	}
}

// The filter kills: a command that opens a connection does not come back.
func TestSocketsAreDeadly(t *testing.T) {
	out, err := offline(t, t.TempDir(), "", "healthcheck", "--url", "http://127.0.0.1:1/")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
		t.Errorf("a socket was opened: %v\n%s", err, out)
	}
}
