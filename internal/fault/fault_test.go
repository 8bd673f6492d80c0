package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestFrom(t *testing.T) {
	if From(nil) != nil {
		t.Error("no error became a fault")
	}
	gone := New(NotFound, "not_found", "There is no such thing.")
	if got := From(fmt.Errorf("look up: %w", gone)); got != gone {
		t.Errorf("wrapped fault: got %v", got)
	}
	if CodeOf(fmt.Errorf("look up: %w", gone)) != "not_found" || CodeOf(io.EOF) != "" || CodeOf(nil) != "" {
		t.Error("CodeOf")
	}
	got := From(io.ErrUnexpectedEOF)
	if got.Kind != Internal || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("plain error: got kind %s, cause kept %v", got.Kind, errors.Is(got, io.ErrUnexpectedEOF))
	}
	if got.Public == io.ErrUnexpectedEOF.Error() {
		t.Error("the cause shows in the public text")
	}
}

func TestCopiesDoNotChangeTheOriginal(t *testing.T) {
	base := New(Invalid, "bad", "Bad.")
	if base.At("amount"); base.Field != "" {
		t.Error("At changed the shared fault")
	}
	if base.Because(io.EOF); base.Unwrap() != nil {
		t.Error("Because changed the shared fault")
	}
	if !Is(fmt.Errorf("x: %w", base.Because(io.EOF)), Invalid) || Is(io.EOF, Invalid) {
		t.Error("Is")
	}
}
