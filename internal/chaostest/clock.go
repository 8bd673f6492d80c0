//go:build linux

package chaostest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// clockVariable names the file that a program built by Build adds to its clock: eight bytes,
// nanoseconds. Programs that were built otherwise do not know it.
const clockVariable = "QUITTANCE_CHAOS_CLOCK"

const nowAsItIs = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"

const nowMoved = `	sec, nsec, mono := runtimeNow()
	if moved := chaosMoved(); moved != 0 {
		total := int64(nsec) + moved%1e9
		sec += moved / 1e9
		if total < 0 {
			total, sec = total+1e9, sec-1
		} else if total >= 1e9 {
			total, sec = total-1e9, sec+1
		}
		nsec = int32(total)
	}
	if mono == 0 {`

// moved is what Build puts into package time. Only the wall clock moves: what counts with the
// monotonic one goes on, as it does when somebody sets a machine's clock.
const moved = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var chaosOffset *int64

func init() {
	name, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	_ = syscall.Close(fd)
	chaosOffset = (*int64)(unsafe.Pointer(&b[0]))
}

func chaosMoved() int64 {
	if chaosOffset == nil {
		return 0
	}
	return atomic.LoadInt64(chaosOffset)
}
`

// Build builds the program, as it is built for production but with a clock that can be moved
// while it runs, and returns its path. The standard library is laid over for this build; no code of ours knows of it.
func Build(t testing.TB, pkg string) (exe string) {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("where Go is: %v", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte(nowAsItIs)) != 1 {
		t.Fatal("this Go's time.Now looks different: see clock.go")
	}
	text = bytes.Replace(text, []byte(nowAsItIs), []byte(nowMoved), 1)
	over := map[string]map[string]string{"Replace": {
		filepath.Join(source, "time.go"):  filepath.Join(dir, "time.go"),
		filepath.Join(source, "chaos.go"): filepath.Join(dir, "chaos.go"),
	}}
	list, err := json.Marshal(over)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"time.go": text, "chaos.go": []byte(moved), "overlay.json": list} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exe = filepath.Join(dir, "quittance")
	c := exec.Command("go", "build", "-tags", "nosandbox", "-overlay", filepath.Join(dir, "overlay.json"), "-o", exe, pkg)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the program with a clock of its own: %v\n%s", err, out)
	}
	return exe
}

// clock is what is added to a process's clock.
type clock struct {
	file   string
	offset *int64
}

func newClock(t testing.TB, file string) *clock {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Truncate(8)
	var b []byte
	if err == nil {
		b, err = syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	}
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(fmt.Errorf("clock: %w, %v", err, cerr))
	}
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return &clock{file: file, offset: (*int64)(unsafe.Pointer(&b[0]))}
}

func (c *clock) set(d time.Duration) { atomic.StoreInt64(c.offset, int64(d)) }
