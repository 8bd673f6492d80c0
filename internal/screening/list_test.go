package screening

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
)

func account(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// buffer is a log that several goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func TestListFollowsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	first, second := "0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000b2"
	write := func(text string) {
		t.Helper()
		next := path + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	write(first + "\n")
	var log buffer
	l, err := OpenList(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l.every = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if !l.Contains(account(t, first)) || l.Contains(account(t, second)) || l.Count() != 1 || time.Since(l.Modified()) > time.Hour {
		t.Fatal("the first list is not in force")
	}
	write(first + "\n" + second + "\n")
	await(t, "the second address", func() bool { return l.Contains(account(t, second)) })
	// A broken file, an empty one and none at all: the old list stays, and each is
	// told once.
	for _, broken := range []string{first + "\n0x12\n", "# nobody\n", "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh\n"} {
		before := strings.Count(log.String(), "stays in force")
		write(broken)
		await(t, "the complaint", func() bool { return strings.Count(log.String(), "stays in force") > before })
		if !l.Contains(account(t, second)) || l.Count() != 2 {
			t.Fatalf("%q has taken the list away", broken)
		}
	}
	before := strings.Count(log.String(), "stays in force")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, "the complaint", func() bool { return strings.Count(log.String(), "stays in force") > before })
	write(second + "\n")
	await(t, "the last list", func() bool { return !l.Contains(account(t, first)) })
	if !l.Contains(account(t, second)) {
		t.Error("the last list is not in force")
	}
}

func TestOpenListRefuses(t *testing.T) {
	dir := t.TempDir()
	garbled := filepath.Join(dir, "garbled")
	if err := os.WriteFile(garbled, []byte("hello world\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"no file": filepath.Join(dir, "none"), "a directory": dir, "a garbled file": garbled} {
		if _, err := OpenList(path, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
