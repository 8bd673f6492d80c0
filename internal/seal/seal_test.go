package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"quittance/internal/seal"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, seal.KeySize) }

func box(t testing.TB, keys ...[]byte) *seal.Box {
	t.Helper()
	b, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedOpensInItsPlaceOnly(t *testing.T) {
	b := box(t, key(1))
	for _, secret := range []string{"", "whsec_1", strings.Repeat("x", 10_000)} {
		sealed := b.Seal([]byte(secret), "endpoint/A")
		if len(secret) > 3 && bytes.Contains(sealed, []byte(secret)) {
			t.Errorf("the secret of %d bytes is readable", len(secret))
		}
		got, err := b.Open(sealed, "endpoint/A")
		if err != nil || string(got) != secret {
			t.Errorf("opening a secret of %d bytes: %d bytes, %v", len(secret), len(got), err)
		}
		if _, err := b.Open(sealed, "endpoint/B"); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("opening it in another place: %v, want ErrTampered", err)
		}
	}
}

func TestSealingTwiceGivesDifferentBytes(t *testing.T) {
	b := box(t, key(1))
	if bytes.Equal(b.Seal([]byte("s"), "p"), b.Seal([]byte("s"), "p")) {
		t.Error("the same secret was sealed to the same bytes: the nonce is not random")
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	b := box(t, key(1))
	sealed := b.Seal([]byte("whsec_1"), "p")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x40
		if _, err := b.Open(changed, "p"); err == nil {
			t.Errorf("byte %d changed and the secret still opens", i)
		}
	}
	for n := range sealed {
		if _, err := b.Open(sealed[:n], "p"); err == nil {
			t.Errorf("cut to %d bytes and the secret still opens", n)
		}
	}
}

func TestRotation(t *testing.T) {
	old := box(t, key(1))
	sealed := old.Seal([]byte("whsec_1"), "p")

	rotated := box(t, key(2), key(1))
	if got, err := rotated.Open(sealed, "p"); err != nil || string(got) != "whsec_1" {
		t.Errorf("an old secret after rotation: %q, %v", got, err)
	}
	if !rotated.Stale(sealed) {
		t.Error("a secret under the old key is not reported as stale")
	}
	anew := rotated.Seal([]byte("whsec_1"), "p")
	if rotated.Stale(anew) {
		t.Error("a secret under the new key is reported as stale")
	}
	if got, err := box(t, key(2)).Open(anew, "p"); err != nil || string(got) != "whsec_1" {
		t.Errorf("a new secret once the old key is gone: %q, %v", got, err)
	}
	if _, err := box(t, key(2)).Open(sealed, "p"); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("an old secret once the old key is gone: %v, want ErrUnknownKey", err)
	}
}

func TestUnusableKeysAreRefused(t *testing.T) {
	for name, keys := range map[string][][]byte{
		"none":  nil,
		"short": {key(1)[:31]},
		"long":  {append(key(1), 1)},
		"twice": {key(1), key(2), key(1)},
	} {
		if _, err := seal.New(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBoxDoesNotPrintItsKeys(t *testing.T) {
	b := box(t, []byte("0123456789abcdef0123456789abcdef"))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "box", b)
	for _, text := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), log.String()} {
		if strings.Contains(text, "0123") || strings.Contains(text, "[48 49") || !strings.Contains(text, "[secret]") {
			t.Errorf("printed %q", text)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b := box(f, key(1))
	f.Add(b.Seal([]byte("whsec_1"), "p"), "p")
	f.Add([]byte{}, "")
	f.Add([]byte{1, 0, 0, 0, 0}, "p")
	f.Fuzz(func(t *testing.T, sealed []byte, place string) {
		secret, err := b.Open(sealed, place)
		if err != nil {
			if !errors.Is(err, seal.ErrFormat) && !errors.Is(err, seal.ErrUnknownKey) && !errors.Is(err, seal.ErrTampered) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		if string(secret) != "whsec_1" || place != "p" {
			t.Fatalf("forged: %q opens as %q", sealed, secret)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("whsec_1"), "endpoint/A", byte(1))
	f.Fuzz(func(t *testing.T, secret []byte, place string, k byte) {
		b := box(t, key(k))
		got, err := b.Open(b.Seal(secret, place), place)
		if err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}
