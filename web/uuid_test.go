package web

import (
	"strings"
	"testing"
)

func TestUUIDs(t *testing.T) {
	a, b := NewUUID(), NewUUID()
	if a == b || !IsUUID(a) || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
		t.Errorf("%s, %s", a, b)
	}
	// RFC 9562, appendix A.4.
	dns := [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	if got := NamedUUID(dns, "www.example.com"); got != "2ed6657d-e927-568b-95e1-2665a8aea6a2" || !IsUUID(got) {
		t.Errorf("the RFC's own example is %s", got)
	}
	for text, want := range map[string]bool{
		"4291f98b-d68c-4eb0-883e-6bc790a41c96": true, "4291F98B-d68c-4eb0-883e-6bc790a41c96": false, "4291f98bd68c4eb0883e6bc790a41c96": false,
		"": false, "4291f98b-d68c-4eb0-883e-6bc790a41c9g": false, "4291f98b-d68c-4eb0-883e-6bc790a41c96 ": false,
	} {
		if IsUUID(text) != want {
			t.Errorf("%q is one: %t", text, !want)
		}
	}
}
